#include "run.hpp"

#include <algorithm>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace ferry::detail {
namespace {

constexpr std::chrono::seconds interrupted_limit{1};   // of an action that was cancelled by an interruption
constexpr std::chrono::hours far_away{24 * 365};     // as a deadline: what a clock can hold

// Owns all that the action uses, for an action may outlive an interrupted run.
task<void> call_action(std::shared_ptr<const Saga> saga, SagaMachine::Next next, std::shared_ptr<SagaContext> context) {
  const SagaStep& step = saga->steps()[next.step];
  if (next.kind == SagaMachine::Next::Kind::undo) {
    co_await step.compensation()(*context);
  } else {
    co_await step.action()(*context);
    if (!step.result().empty()) context->state[step.result()] = std::move(context->reply);
  }
}

}  // namespace

Failure failure_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    Failure failure = known.failure();
    if (failure.detail.empty()) failure.detail = known.what();
    return failure;
  } catch (const std::system_error& system) {
    return {system.code(), system.what()};
  } catch (const std::exception& other) {
    return {errc::transport_failure, other.what()};
  } catch (...) {
    return {errc::transport_failure, "an exception that is no std::exception"};
  }
}

SagaEntry entry_of(const SagaRecord& record) {
  return {record.id, record.saga, record.version, record.status, write_saga_record(record)};
}

SagaRunState::SagaRunState(std::shared_ptr<SagaRunnerCore> core, std::shared_ptr<const Saga> saga, SagaMachine machine,
                           spi::Loop& loop, bool unsaved)
    : core_(std::move(core)),
      saga_(std::move(saga)),
      machine_(std::move(machine)),
      id_(machine_.record().id),
      loop_(loop),
      unsaved_(unsaved),
      wake_(loop.executor()),
      ended_wake_(loop.executor(), Clock::time_point::max()) {
  if (machine_.record().deadline) {
    const auto left = std::min<std::chrono::system_clock::duration>(*machine_.record().deadline - std::chrono::system_clock::now(),
                                                                   far_away);
    deadline_ = Clock::now() + left;
  }
}

void SagaRunState::launch(SagaEvent::Kind as) {
  asio::co_spawn(loop_.executor(), drive(shared_from_this(), as), asio::detached);
}

void SagaRunState::cancel() {
  loop_.post([self = shared_from_this()] {
    self->machine_.stop(Failure(errc::cancelled, "the saga was cancelled"));
    self->wake_.cancel();
  });
}

void SagaRunState::interrupt() {
  loop_.post([self = shared_from_this()] {
    self->interrupted_ = true;
    self->wake_.cancel();
  });
}

task<SagaOutcome> SagaRunState::outcome(std::shared_ptr<SagaRunState> self) {
  try {
    auto ended = wait_ended(self);
    co_await asio::co_spawn(self->loop_.executor(), std::move(ended), asio::use_awaitable);
  } catch (const std::system_error& error) {
    if (error.code() != asio::error::operation_aborted) throw;
    throw CancelledError(errc::cancelled, "waiting for saga " + self->id_ + " was cancelled");
  }
  const SagaRecord& record = self->machine_.record();   // it does not change any more
  co_return SagaOutcome{record.status, record.id, record.state, record.cause, record.stuck};
}

task<void> SagaRunState::wait_ended(std::shared_ptr<SagaRunState> self) {
  while (!self->ended_) {
    std::error_code woken;
    co_await self->ended_wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (!self->ended_ && cancellation.cancelled() != asio::cancellation_type::none) {
      throw std::system_error(make_error_code(asio::error::operation_aborted));
    }
  }
  if (self->error_) std::rethrow_exception(self->error_);
}

task<void> SagaRunState::drive(std::shared_ptr<SagaRunState> self, SagaEvent::Kind as) {
  try {
    co_await self->go(as);
  } catch (...) {
    self->error_ = std::current_exception();
  }
  if (self->error_) {
    const Failure why = failure_of(self->error_);
    try {
      auto release = self->core_->with_store([id = self->id_](SagaStore& store) { store.release(id); });
      co_await std::move(release);
    } catch (const std::exception&) {   // nobody else can have it, then, before this process ends
    }
    self->tell(SagaEvent::Kind::interrupted, {}, &why);
  }
  self->ended_ = true;
  self->ended_wake_.cancel();
  self->core_->ended(self);
}

task<void> SagaRunState::go(SagaEvent::Kind as) {
  if (unsaved_) co_await save();
  tell(as);
  while (machine_.next().kind != SagaMachine::Next::Kind::finished) {
    check_interrupted();
    co_await step();
  }
  const SagaRecord& record = machine_.record();
  const auto& problem = record.stuck ? record.stuck : record.cause;
  tell(SagaEvent::Kind::finished, problem ? std::string_view(problem->step) : std::string_view(),
       problem ? &problem->failure : nullptr);
}

// One attempt, and what follows from it.
task<void> SagaRunState::step() {
  const SagaStatus before = machine_.record().status;
  std::optional<SagaEvent::Kind> done;
  const auto next = machine_.next();
  const std::string& name = machine_.step_name(next.step);
  told_to_stop();
  if (machine_.stopping()) {
    machine_.give_up();
  } else {
    const bool undo = next.kind == SagaMachine::Next::Kind::undo;
    tell(undo ? SagaEvent::Kind::undo_attempt : SagaEvent::Kind::attempt, name, nullptr, next.attempt);
    auto context = std::make_shared<SagaContext>(SagaContext{machine_.record().state, id_, name, next.attempt, undo});
    const std::optional<Failure> failure = co_await perform(next, context);
    if (!failure) {
      machine_.succeeded(std::move(context->state));
      done = undo ? SagaEvent::Kind::step_undone : SagaEvent::Kind::step_done;
    } else if (const auto delay = machine_.failed(*failure)) {
      tell(SagaEvent::Kind::attempt_failed, name, &*failure, next.attempt, *delay);
      co_await pause(*delay);
      co_return;
    }
  }
  co_await save();
  const SagaRecord& record = machine_.record();
  if (done) tell(*done, name, nullptr, next.attempt);
  if (before == SagaStatus::running && record.cause) tell(SagaEvent::Kind::turned_back, record.cause->step, &record.cause->failure);
}

task<std::optional<Failure>> SagaRunState::perform(SagaMachine::Next next, std::shared_ptr<SagaContext> context) {
  action_done_ = false;
  action_error_ = nullptr;
  auto action = call_action(saga_, next, context);
  asio::co_spawn(loop_.executor(), std::move(action),
                 asio::bind_cancellation_slot(action_.slot(), [self = shared_from_this()](std::exception_ptr error) {
                   self->action_error_ = std::move(error);
                   self->action_done_ = true;
                   self->wake_.cancel();
                 }));
  bool cancelled = false;
  const bool undo = next.kind == SagaMachine::Next::Kind::undo;
  while (!action_done_) {
    if (!cancelled && (interrupted_ || (!undo && told_to_stop()))) {
      cancelled = true;
      action_.emit(asio::cancellation_type::terminal);
      if (action_done_) break;
    }
    if (interrupted_) {
      co_await wait_until(Clock::now() + interrupted_limit);
      break;
    }
    co_await wait_until(undo || cancelled ? Clock::time_point::max() : deadline_);
  }
  check_interrupted();
  if (!action_error_) co_return std::nullopt;
  Failure failure = failure_of(action_error_);
  if (failure.code == errc::closed) {   // of this process's own client: no answer of the service's
    throw SagaError(saga_errc::interrupted, "saga " + id_ + " stopped at step " + context->step + ": " + failure.detail,
                    Fate::unknown);
  }
  co_return failure;
}

task<void> SagaRunState::pause(std::chrono::milliseconds delay) {
  const bool forward = machine_.record().status == SagaStatus::running;
  const Clock::time_point end = Clock::now() + delay;
  while (!interrupted_ && Clock::now() < end && !(forward && told_to_stop())) {
    co_await wait_until(forward ? std::min(end, deadline_) : end);
  }
}

task<void> SagaRunState::wait_until(Clock::time_point time) {
  wake_.expires_at(time);
  std::error_code woken;
  co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

task<void> SagaRunState::save() {
  auto saving = core_->with_store([entry = entry_of(machine_.record())](SagaStore& store) { store.save(entry); });
  co_await std::move(saving);
}

bool SagaRunState::told_to_stop() {
  if (Clock::now() >= deadline_) machine_.stop(Failure(errc::timed_out, "the saga's deadline passed"));
  return machine_.stopping();
}

void SagaRunState::check_interrupted() const {
  if (interrupted_) {
    throw SagaError(saga_errc::interrupted, "saga " + id_ + " was interrupted: the saga runner was stopped", Fate::unknown);
  }
}

void SagaRunState::tell(SagaEvent::Kind kind, std::string_view step, const Failure* problem, int attempt,
                        std::chrono::milliseconds retry_in) const noexcept {
  core_->tell({kind, saga_->name(), id_, machine_.record().status, step, attempt, retry_in, problem});
}

}  // namespace ferry::detail
