#include "runner_core.hpp"

#include <array>

#include "ferry/log.hpp"
#include "run.hpp"

namespace ferry {

std::string_view to_string(SagaEvent::Kind kind) noexcept {
  constexpr std::array<std::string_view, 10> names{"begun",     "recovered",   "attempt",     "undo attempt", "attempt failed",
                                                   "step done", "step undone", "turned back", "finished",     "interrupted"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace ferry

namespace ferry::detail {
namespace {

constexpr std::chrono::seconds unwinding_limit{2};   // for actions that were told to end

}  // namespace

void SagaRunnerCore::add(Saga saga) {
  check_saga(saga);
  auto& versions = sagas_[saga.name()];
  if (versions.contains(saga.version())) {
    throw SagaError(saga_errc::bad_definition,
                    "saga " + saga.name() + " version " + std::to_string(saga.version()) + " is added twice");
  }
  const int version = saga.version();
  versions.emplace(version, std::make_shared<const Saga>(std::move(saga)));
}

std::shared_ptr<const Saga> SagaRunnerCore::definition(std::string_view name, int version) const {
  const auto found = sagas_.find(name);
  if (found == sagas_.end()) {
    std::string known;
    for (const auto& [other, versions] : sagas_) known += (known.empty() ? "" : ", ") + other;
    throw SagaError(saga_errc::unknown_definition,
                    "no saga is named \"" + std::string(name) + "\" here; known are: " + (known.empty() ? "none" : known));
  }
  if (version == 0) return found->second.rbegin()->second;
  const auto exact = found->second.find(version);
  if (exact == found->second.end()) {
    throw SagaError(saga_errc::unknown_definition,
                    "saga " + std::string(name) + " has no version " + std::to_string(version) + " here, the newest is " +
                        std::to_string(found->second.rbegin()->first) + ": add the old one too, until its last run has finished");
  }
  return exact->second;
}

void SagaRunnerCore::check_open() const {
  if (closed_) throw SagaError(saga_errc::interrupted, "the saga runner was stopped");
}

void SagaRunnerCore::enter(bool counted) {
  const std::lock_guard lock(mutex_);
  if (stopping_) throw SagaError(saga_errc::interrupted, "the saga runner was stopped: it takes no new sagas");
  if (counted && entered_ >= options_.max_running) {
    throw OverloadedError(errc::overloaded, std::to_string(entered_) + " sagas are running: no more than max_running",
                          Fate::not_sent);
  }
  ++entered_;
}

void SagaRunnerCore::leave() {
  const std::lock_guard lock(mutex_);
  if (--entered_ == 0) idle_.notify_all();
}

void SagaRunnerCore::began(const std::shared_ptr<SagaRunState>& run) {
  const std::lock_guard lock(mutex_);
  runs_.insert(run);
}

void SagaRunnerCore::ended(const std::shared_ptr<SagaRunState>& run) {
  const std::lock_guard lock(mutex_);
  runs_.erase(run);
  if (--entered_ == 0) idle_.notify_all();
}

std::size_t SagaRunnerCore::running() const {
  const std::lock_guard lock(mutex_);
  return entered_;
}

void SagaRunnerCore::tell(const SagaEvent& event) const noexcept {
  try {
    if (event.kind == SagaEvent::Kind::finished && event.status == SagaStatus::compensation_failed) {
      log(LogLevel::error, "saga " + event.saga, event.id + " is stuck: step " + std::string(event.step) +
          " could not be undone: " + event.problem->detail + ". When that is mended: SagaRunner::retry");
    } else if (event.kind == SagaEvent::Kind::interrupted) {
      log(LogLevel::warn, "saga " + event.saga, event.id + " was interrupted and stays in the log: " + event.problem->detail);
    }
    if (observer_) observer_(event);
  } catch (const std::exception& error) {
    log(LogLevel::error, "saga " + event.saga, std::string("the observer threw: ") + error.what());
  } catch (...) {
    log(LogLevel::error, "saga " + event.saga, "the observer threw what is no std::exception");
  }
}

bool SagaRunnerCore::wait_idle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, limit, [this] { return entered_ == 0; });
}

bool SagaRunnerCore::stop(std::chrono::milliseconds limit) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (wait_idle(limit)) return true;
  std::set<std::shared_ptr<SagaRunState>> runs;
  {
    const std::lock_guard lock(mutex_);
    runs = runs_;
  }
  for (const auto& run : runs) run->interrupt();
  wait_idle(unwinding_limit);
  return false;
}

void SagaRunnerCore::close() {
  closed_ = true;
  worker_.join();
}

}  // namespace ferry::detail
