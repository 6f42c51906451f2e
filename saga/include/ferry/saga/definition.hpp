#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/client.hpp"
#include "ferry/error.hpp"
#include "ferry/pattern.hpp"
#include "ferry/task.hpp"

namespace ferry {

/// What a step's action and its compensation are given.
struct SagaContext {
  /// The saga's own. What an action writes here is kept, and logged, if it succeeds.
  nlohmann::json state;
  std::string id;      ///< the saga's
  std::string step;
  int attempt = 1;
  bool compensating = false;
  nlohmann::json reply = {};   ///< of `saga_send`; see `SagaStep::into`

  /// The same at every attempt, after a crash too: `ID/STEP`, of a compensation `ID/STEP/undo`.
  std::string idempotency_key() const { return id + '/' + step + (compensating ? "/undo" : ""); }
};

/// Does something, and throws if it could not. Cancelled in what it awaits when its saga is.
using SagaAction = std::function<task<void>(SagaContext&)>;

struct SagaRetry {
  int attempts = 3;                               ///< all in all; 1: no retry
  std::chrono::milliseconds backoff{100};         ///< before the second one, doubled with each; less up to half of it by chance
  std::chrono::milliseconds max_backoff{5000};
  /// Which failures another attempt may mend. Without it, of an action: no connection, lost connection, deadline, overload,
  /// open circuit, and a service that is not there (yet); of a compensation: all.
  std::function<bool(const Failure&)> which = {};
};

/// A request as an action: to `pattern`, with `payload(state)` and the header `idempotency-key`.
SagaAction saga_send(Client client, Pattern pattern, std::function<nlohmann::json(const nlohmann::json& state)> payload,
                     SendOptions options = {});

/// One step of a saga. Its functions return it, to be called one after another.
///
/// An action that fails with an answer (`RpcError`), or before anything of it left (`Fate::not_sent`), was not done. Any other
/// failure leaves it open (timed out, connection lost, an exception of your own): then it is compensated too. So a compensation
/// must succeed for what never happened, and what it undid must not happen afterwards, should the first request still arrive.
class SagaStep {
 public:
  using Payload = std::function<nlohmann::json(const nlohmann::json& state)>;

  explicit SagaStep(std::string name) : name_(std::move(name)) {}

  SagaStep& action(SagaAction action) { return action_ = std::move(action), *this; }
  SagaStep& compensation(SagaAction action) { return compensation_ = std::move(action), *this; }
  /// `saga_send` as the action.
  SagaStep& send(Client client, Pattern pattern, Payload payload, SendOptions options = {}) {
    return action(saga_send(std::move(client), std::move(pattern), std::move(payload), std::move(options)));
  }
  /// Keeps the reply of `send` as `state[key]`. Without it the reply is ignored.
  SagaStep& into(std::string key) { return result_ = std::move(key), *this; }
  /// `saga_send` as the compensation.
  SagaStep& compensate(Client client, Pattern pattern, Payload payload, SendOptions options = {}) {
    return compensation(saga_send(std::move(client), std::move(pattern), std::move(payload), std::move(options)));
  }
  /// Instead of a compensation: a step that changes nothing, or that the compensation of an earlier one undoes.
  SagaStep& nothing_to_undo() { return nothing_to_undo_ = true, *this; }

  /// The action may be done again with the same idempotency key, after a failure that leaves open whether it was done, and
  /// after a crash. Without it such a failure, or a crash, makes the saga turn back.
  SagaStep& idempotent() { return idempotent_ = true, *this; }
  SagaStep& retry(SagaRetry policy) { return retry_ = std::move(policy), *this; }
  /// Default: 20 attempts in about six minutes. When the last one fails, the saga is stuck.
  SagaStep& retry_compensation(SagaRetry policy) { return compensation_retry_ = std::move(policy), *this; }

  const std::string& name() const noexcept { return name_; }
  const SagaAction& action() const noexcept { return action_; }
  const SagaAction& compensation() const noexcept { return compensation_; }
  const std::string& result() const noexcept { return result_; }
  bool has_nothing_to_undo() const noexcept { return nothing_to_undo_; }
  bool is_idempotent() const noexcept { return idempotent_; }
  const SagaRetry& retry() const noexcept { return retry_; }
  const SagaRetry& compensation_retry() const noexcept { return compensation_retry_; }

 private:
  std::string name_;
  std::string result_;
  SagaAction action_;
  SagaAction compensation_;
  SagaRetry retry_;
  SagaRetry compensation_retry_{.attempts = 20, .max_backoff = std::chrono::seconds(30)};
  bool nothing_to_undo_ = false;
  bool idempotent_ = false;
};

/// What is to be done step by step, and how each step is undone when a later one fails. A definition: `SagaRunner` runs it, as
/// often as it is asked to.
///
/// `version`: raise it when the steps change, and keep the old one added for as long as the log may have runs of it.
/// Threads: a plain value; build it before it is added.
class Saga {
 public:
  explicit Saga(std::string name, int version = 1) : name_(std::move(name)), version_(version) {}

  /// Adds a step after those that are there. The reference stays good.
  SagaStep& step(std::string name) { return steps_.emplace_back(std::move(name)); }

  const std::string& name() const noexcept { return name_; }
  int version() const noexcept { return version_; }
  const std::deque<SagaStep>& steps() const noexcept { return steps_; }

 private:
  std::string name_;
  int version_;
  std::deque<SagaStep> steps_;
};

/// Throws `SagaError` (bad_definition): no name, no steps, two steps of one name, a step without an action, or one with neither
/// a compensation nor `nothing_to_undo`, or with both.
void check_saga(const Saga& saga);

}  // namespace ferry
