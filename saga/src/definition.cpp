#include "ferry/saga/definition.hpp"

#include <exception>
#include <set>

#include "ferry/saga/error.hpp"

namespace ferry {
namespace {

// A class and no lambda: what a coroutine uses lives in here, and this lives as long as the saga.
class SendAction {
 public:
  SendAction(Client client, Pattern pattern, SagaStep::Payload payload, SendOptions options)
      : client_(std::move(client)),
        pattern_(std::move(pattern)),
        payload_(std::move(payload)),
        options_(std::move(options)) {}

  task<void> operator()(SagaContext& saga) const {
    const nlohmann::json payload = payload_of(saga);
    SendOptions options = options_;
    options.header("idempotency-key", saga.idempotency_key());
    saga.reply = co_await client_.send<nlohmann::json>(pattern_, payload, options);   // null from a handler without a value
  }

 private:
  nlohmann::json payload_of(const SagaContext& saga) const {
    try {
      return payload_(saga.state);
    } catch (const std::exception& error) {
      throw SerializationError(errc::bad_payload, "saga step " + saga.step + ": no payload for \"" + pattern_.route() +
                               "\" could be made from the saga's state: " + error.what(), Fate::not_sent);
    }
  }

  Client client_;
  Pattern pattern_;
  SagaStep::Payload payload_;
  SendOptions options_;
};

void check_step(const std::string& saga, const SagaStep& step) {
  const auto refuse = [&](const std::string& text) {
    throw SagaError(saga_errc::bad_definition, "saga " + saga + ": step \"" + step.name() + "\" " + text);
  };
  if (step.name().empty()) refuse("has no name");
  if (!step.action()) refuse("does nothing: give it .send(...) or .action(...)");
  if (!step.compensation() && !step.has_nothing_to_undo()) {
    refuse("cannot be undone: give it .compensate(...) or .compensation(...), or say .nothing_to_undo()");
  }
  if (step.compensation() && step.has_nothing_to_undo()) refuse("has a compensation, and nothing to undo: it can only be one");
  for (const SagaRetry* retry : {&step.retry(), &step.compensation_retry()}) {
    if (retry->attempts < 1) refuse("is to be tried " + std::to_string(retry->attempts) + " times: at least 1");
    if (retry->backoff.count() < 0 || retry->max_backoff < retry->backoff) {
      refuse("waits between attempts from " + std::to_string(retry->backoff.count()) + " ms to " +
             std::to_string(retry->max_backoff.count()) + " ms: max_backoff is not to be below backoff, nor backoff below 0");
    }
  }
}

}  // namespace

SagaAction saga_send(Client client, Pattern pattern, std::function<nlohmann::json(const nlohmann::json&)> payload,
                     SendOptions options) {
  return SendAction(std::move(client), std::move(pattern), std::move(payload), std::move(options));
}

void check_saga(const Saga& saga) {
  if (saga.name().empty()) throw SagaError(saga_errc::bad_definition, "a saga needs a name: its log tells it by that");
  if (saga.steps().empty()) throw SagaError(saga_errc::bad_definition, "saga " + saga.name() + " has no steps");
  std::set<std::string> names;
  for (const SagaStep& step : saga.steps()) {
    check_step(saga.name(), step);
    if (!names.insert(step.name()).second) {
      throw SagaError(saga_errc::bad_definition, "saga " + saga.name() + " has two steps named \"" + step.name() + '"');
    }
  }
}

}  // namespace ferry
