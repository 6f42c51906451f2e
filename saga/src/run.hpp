#pragma once
// One saga under way: does what its machine decides, and has each decision in the log first.

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>

#include "ferry/spi/loop.hpp"
#include "machine.hpp"
#include "runner_core.hpp"

namespace ferry::detail {

/// What an exception of an action says. One of no kind of ferry's leaves open what was done.
Failure failure_of(const std::exception_ptr& error);
SagaEntry entry_of(const SagaRecord& record);

/// Lifetime: its coroutines hold it.
/// Threads:  `cancel`, `interrupt`, `outcome` and `id` from any; the rest on its loop.
class SagaRunState : public std::enable_shared_from_this<SagaRunState> {
 public:
  /// The machine's record is in the log, unless `unsaved`.
  SagaRunState(std::shared_ptr<SagaRunnerCore> core, std::shared_ptr<const Saga> saga, SagaMachine machine, spi::Loop& loop,
               bool unsaved);

  const std::string& id() const noexcept { return id_; }
  spi::Loop& loop() const noexcept { return loop_; }
  void launch(SagaEvent::Kind as);
  void cancel();
  /// Leaves it as it is in the log.
  void interrupt();
  static task<SagaOutcome> outcome(std::shared_ptr<SagaRunState> self);

 private:
  using Clock = std::chrono::steady_clock;

  static task<void> drive(std::shared_ptr<SagaRunState> self, SagaEvent::Kind as);
  static task<void> wait_ended(std::shared_ptr<SagaRunState> self);
  task<void> go(SagaEvent::Kind as);
  task<void> step();
  task<std::optional<Failure>> perform(SagaMachine::Next next, std::shared_ptr<SagaContext> context);
  task<void> pause(std::chrono::milliseconds delay);
  task<void> wait_until(Clock::time_point time);
  task<void> save();
  /// Deadline and cancel, seen between waits. True: what is under way is to end.
  bool told_to_stop();
  void check_interrupted() const;
  void tell(SagaEvent::Kind kind, std::string_view step = {}, const Failure* problem = nullptr, int attempt = 0,
            std::chrono::milliseconds retry_in = {}) const noexcept;

  const std::shared_ptr<SagaRunnerCore> core_;
  const std::shared_ptr<const Saga> saga_;
  SagaMachine machine_;
  const std::string id_;
  spi::Loop& loop_;
  bool unsaved_;
  asio::steady_timer wake_;       // cancelled when there is something to look at
  asio::steady_timer ended_wake_;
  asio::cancellation_signal action_;
  bool action_done_ = false;
  std::exception_ptr action_error_;
  bool interrupted_ = false;
  bool ended_ = false;
  std::exception_ptr error_;      // instead of an outcome
  Clock::time_point deadline_ = Clock::time_point::max();
};

}  // namespace ferry::detail
