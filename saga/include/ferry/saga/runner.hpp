#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/call.hpp"
#include "ferry/runtime.hpp"
#include "ferry/saga/definition.hpp"
#include "ferry/saga/error.hpp"
#include "ferry/saga/record.hpp"
#include "ferry/saga/store.hpp"

namespace ferry {
namespace detail {
class SagaRunnerCore;
class SagaRunState;
}  // namespace detail

/// How a saga ended: `completed`, `compensated` with its cause, or `compensation_failed` with its cause and what is stuck.
struct SagaOutcome {
  SagaStatus status = SagaStatus::completed;
  std::string id;
  nlohmann::json state;
  std::optional<SagaProblem> cause;
  std::optional<SagaProblem> stuck;

  bool completed() const noexcept { return status == SagaStatus::completed; }
};

/// One thing that happened to a saga. What it tells is in the log already, except attempts.
struct SagaEvent {
  enum class Kind : std::uint8_t {
    begun,
    recovered,       ///< taken up again from the log
    attempt,         ///< a step's action begins
    undo_attempt,    ///< a step's compensation begins
    attempt_failed,  ///< and will be tried again after `retry_in`
    step_done,
    step_undone,
    turned_back,     ///< from here on it compensates; `problem` says why
    finished,        ///< `status` says how; `problem` is the cause, or the compensation that failed
    interrupted,     ///< not run here any longer, not finished: it stays in the log; `problem` says why
  };
  Kind kind;
  const std::string& saga;
  const std::string& id;
  SagaStatus status;
  std::string_view step = {};   ///< where there is one
  int attempt = 0;
  std::chrono::milliseconds retry_in{0};
  const Failure* problem = nullptr;
};
std::string_view to_string(SagaEvent::Kind kind) noexcept;
/// Called on the saga's loop; must not block. What it throws is logged.
using SagaObserver = std::function<void(const SagaEvent&)>;

/// What a single run may ask for. `ferry::SagaOptions().id("order-17").deadline(30s)`
class SagaOptions {
 public:
  SagaOptions() {}   // user-provided, as that of `SendOptions`
  /// Its name in the log, and the first half of its idempotency keys. Default: one that nobody else has.
  SagaOptions& id(std::string id) & { return id_ = std::move(id), *this; }
  SagaOptions&& id(std::string id) && { return id_ = std::move(id), std::move(*this); }
  /// If it is not completed by then, it turns back. Holds across crashes, by the system's clock. Compensations take as long as
  /// they take.
  SagaOptions& deadline(std::chrono::milliseconds limit) & { return deadline_ = limit, *this; }
  SagaOptions&& deadline(std::chrono::milliseconds limit) && { return deadline_ = limit, std::move(*this); }

 private:
  friend class SagaRunner;
  std::string id_;
  std::optional<std::chrono::milliseconds> deadline_;
};

/// A saga under way. A handle: letting go of it changes nothing.
/// Threads: any.
class SagaRun {
 public:
  explicit SagaRun(std::shared_ptr<detail::SagaRunState> state) : state_(std::move(state)) {}

  const std::string& id() const noexcept;
  /// Completes: when the saga has finished, and its log says so.
  /// Errors:    `SagaError` (interrupted) or `SagaStoreError`: it has no outcome here, it stays in the log.
  /// Cancel:    stops waiting (`CancelledError`); the saga goes on.
  Call<SagaOutcome> outcome() const;
  /// Turn back: cancels the step under way, and compensates. Without effect on one that turned back or finished.
  void cancel() const;

 private:
  std::shared_ptr<detail::SagaRunState> state_;
};

/// What `recover` found in the log.
struct SagaRecovery {
  std::vector<SagaRun> taken;       ///< they run now
  std::vector<SagaError> refused;   ///< each names a saga that stays in the log, and why
};

struct SagaRunnerOptions {
  std::size_t max_running = 1000;   ///< sagas at once; more are refused with `OverloadedError`. `recover` does not count them
};

/// Runs sagas, and keeps their log.
///
/// Lifetime: ends before the `Runtime` (the `Application`) it was made with. Its destructor is `stop(0ms)`.
/// Threads:  any, all functions but `add` and `on_event`, which come first. Steps run on the runtime's loops; the store is
///           called on a thread of the runner's own, so each transition costs one write of the store, and no loop waits for it.
class SagaRunner {
 public:
  SagaRunner(Runtime& runtime, std::shared_ptr<SagaStore> store, SagaRunnerOptions options = {});
  ~SagaRunner();
  SagaRunner(const SagaRunner&) = delete;
  SagaRunner& operator=(const SagaRunner&) = delete;

  /// Throws `SagaError` (bad_definition): see `check_saga`; also for one that was added before.
  void add(Saga saga);
  /// Sees every event of every saga. Without one, a saga that is stuck is logged as an error all the same.
  void on_event(SagaObserver observer);

  /// Begins the newest version of the saga that was added. `state`: a JSON object. Cold, as `Client::send`.
  /// Completes: when it is in the log.
  /// Errors:    `SagaError` (unknown_definition, duplicate_id, interrupted), `SagaStoreError`, `OverloadedError`,
  ///            `SerializationError` for a state of another type.
  Call<SagaRun> start(std::string_view saga, nlohmann::json state, SagaOptions options = {});
  /// `start`, then `outcome`. Cancel: the saga turns back, and the wait ends at once with `CancelledError`.
  Call<SagaOutcome> run(std::string_view saga, nlohmann::json state, SagaOptions options = {});

  /// Takes up every unfinished saga of the log that no living process runs. Call it at the start, when all are added.
  /// A step that had begun is done again with its idempotency key if it is idempotent, and compensated otherwise.
  Call<SagaRecovery> recover();
  /// Tries the compensations of a saga that is stuck once more.
  /// Errors: `SagaError` (not_found, unknown_definition), `SagaStoreError`.
  Call<SagaRun> retry(std::string id);
  /// What the log has of it; nothing if it has none of that id.
  Call<std::optional<SagaRecord>> find(std::string id);
  /// Those with that status. `compensation_failed`: those that somebody has to look after.
  Call<std::vector<SagaRecord>> list(SagaStatus status);

  std::size_t running() const noexcept;
  /// Takes no new ones, waits for those that run, at most `limit`; the rest stay in the log, as after a crash, and their waiters
  /// get `SagaError` (interrupted). False if there were such. Not on a loop.
  bool stop(std::chrono::milliseconds limit);

 private:
  Runtime* runtime_;
  std::shared_ptr<detail::SagaRunnerCore> core_;
};

}  // namespace ferry
