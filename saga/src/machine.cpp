#include "machine.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/src/backoff.hpp"
#include "ferry/saga/error.hpp"

namespace ferry::detail {
namespace {

// A service that restarts has no handlers at its broker for a moment.
bool worth_another(const Failure& failure) { return is_retryable(failure.code) || failure.code == errc::no_handler; }

/// What NestJS and ferry answer when a handler threw something else than an answer.
bool fell_over(const Failure& failure) {
  const auto body = nlohmann::json::parse(failure.remote_body, nullptr, false);
  return body.is_object() && body.contains("message") && body["message"] == "Internal server error";
}

}  // namespace

bool may_be_done(const Failure& failure) {
  if (failure.fate == Fate::not_sent) return false;
  const bool answered = failure.fate == Fate::confirmed && (failure.code == errc::rejected || failure.code == errc::no_handler);
  return !answered || fell_over(failure);
}

std::vector<SagaStepPlan> plan_of(const Saga& saga) {
  std::vector<SagaStepPlan> plan;
  for (const SagaStep& step : saga.steps()) {
    plan.push_back({step.name(), step.is_idempotent(), !step.has_nothing_to_undo(), step.retry(), step.compensation_retry()});
  }
  return plan;
}

std::string misfit(const std::vector<SagaStepPlan>& plan, const SagaRecord& record) {
  if (record.steps.size() != plan.size()) {
    return "it has " + std::to_string(record.steps.size()) + " steps, the program's " + std::to_string(plan.size());
  }
  std::size_t started = 0;
  std::size_t to_undo = 0;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const SagaStepRecord& step = record.steps[i];
    if (step.name != plan[i].name) return "it has a step \"" + step.name + "\" where the program's has \"" + plan[i].name + '"';
    if (step.phase == SagaStepPhase::started) ++started;
    if (plan[i].compensated && (step.phase == SagaStepPhase::done || step.phase == SagaStepPhase::unknown)) ++to_undo;
  }
  const bool forward = record.status == SagaStatus::running;
  if (started != (forward ? 1U : 0U)) return "of its steps " + std::to_string(started) + " are under way";
  if (!forward && !is_finished(record.status) && to_undo == 0) return "it is compensating, with nothing to compensate";
  return {};
}

SagaMachine::SagaMachine(std::vector<SagaStepPlan> plan, SagaRecord record, std::uint64_t seed)
    : plan_(std::move(plan)), record_(std::move(record)), random_(seed) {}

SagaMachine::Next SagaMachine::next() const {
  switch (record_.status) {
    case SagaStatus::running: return {Next::Kind::act, started_step(), attempt_};
    case SagaStatus::compensating: return {Next::Kind::undo, step_to_undo().value(), attempt_};
    default: return {};
  }
}

void SagaMachine::begin() {
  record_.status = SagaStatus::running;
  record_.steps.clear();
  for (const SagaStepPlan& step : plan_) record_.steps.push_back({step.name, SagaStepPhase::waiting});
  record_.steps.front().phase = SagaStepPhase::started;
}

void SagaMachine::recover(std::chrono::system_clock::time_point now) {
  if (record_.status != SagaStatus::running) return;
  unknown_ = true;
  if (record_.deadline && *record_.deadline <= now) {
    turn_back(Failure(errc::timed_out, "the saga's deadline passed before it was recovered"));
  } else if (!plan_[started_step()].idempotent) {
    turn_back(Failure(make_error_code(saga_errc::interrupted),
                      "the process ended while this step was under way, and it is not idempotent: it may have been done"));
  }
}

void SagaMachine::retry() {
  record_.status = SagaStatus::compensating;
  record_.stuck.reset();
}

void SagaMachine::succeeded(nlohmann::json state) {
  record_.state = std::move(state);
  if (record_.status == SagaStatus::compensating) {
    record_.steps[step_to_undo().value()].phase = SagaStepPhase::undone;
    go_back();
    return;
  }
  const std::size_t step = started_step();
  record_.steps[step].phase = SagaStepPhase::done;
  attempt_ = 1;
  unknown_ = false;
  if (step + 1 == plan_.size()) {
    record_.status = SagaStatus::completed;
  } else {
    record_.steps[step + 1].phase = SagaStepPhase::started;
    if (stop_) give_up();
  }
}

std::optional<std::chrono::milliseconds> SagaMachine::failed(Failure failure) {
  if (record_.status == SagaStatus::compensating) {
    const std::size_t step = step_to_undo().value();
    const SagaRetry& retry = plan_[step].compensation_retry;
    if (attempt_ < retry.attempts && (!retry.which || retry.which(failure))) return delay(retry);
    record_.status = SagaStatus::compensation_failed;
    record_.stuck = SagaProblem{plan_[step].name, std::move(failure)};
    return std::nullopt;
  }
  const SagaStepPlan& step = plan_[started_step()];
  unknown_ = unknown_ || may_be_done(failure);
  if (!stop_ && attempt_ < step.retry.attempts && (step.idempotent || !unknown_) &&
      (step.retry.which ? step.retry.which(failure) : worth_another(failure))) {
    return delay(step.retry);
  }
  turn_back(stop_ ? *stop_ : std::move(failure));
  return std::nullopt;
}

void SagaMachine::stop(Failure cause) {
  if (record_.status == SagaStatus::running && !stop_) stop_ = std::move(cause);
}

void SagaMachine::give_up() { turn_back(*stop_); }

void SagaMachine::turn_back(Failure cause) {
  const std::size_t step = started_step();
  record_.steps[step].phase = unknown_ ? SagaStepPhase::unknown : SagaStepPhase::failed;
  record_.cause = SagaProblem{plan_[step].name, std::move(cause)};
  record_.status = SagaStatus::compensating;
  go_back();
}

void SagaMachine::go_back() {
  attempt_ = 1;
  if (!step_to_undo()) record_.status = SagaStatus::compensated;
}

std::size_t SagaMachine::started_step() const {
  const auto found = std::find_if(record_.steps.begin(), record_.steps.end(),
                                  [](const SagaStepRecord& step) { return step.phase == SagaStepPhase::started; });
  return static_cast<std::size_t>(found - record_.steps.begin());
}

std::optional<std::size_t> SagaMachine::step_to_undo() const {
  for (std::size_t i = plan_.size(); i-- > 0;) {
    const SagaStepPhase phase = record_.steps[i].phase;
    if (plan_[i].compensated && (phase == SagaStepPhase::done || phase == SagaStepPhase::unknown)) return i;
  }
  return std::nullopt;
}

std::chrono::milliseconds SagaMachine::delay(const SagaRetry& retry) {
  return backoff(retry.backoff, retry.max_backoff, attempt_++, random_);
}

}  // namespace ferry::detail
