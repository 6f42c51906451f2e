#pragma once
// What a saga does next: decisions only. Nothing here has a clock, a socket or a log.
//
// Write-ahead: whoever drives this saves `record()` after each call that changes it, before doing what `next` says. A step's
// action is thus in the log before it is begun, by the same write that says that the one before it is done.

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ferry/saga/definition.hpp"
#include "ferry/saga/record.hpp"

namespace ferry::detail {

/// Of a failed action: may it have been done all the same? A message that never left says no, and so does an answer: of each attempt
/// that the client made (its `fate`), and unless it is that of a handler which fell over, and may have done its work before.
bool may_be_done(const Failure& failure);

/// What counts of a step's definition here.
struct SagaStepPlan {
  std::string name;
  bool idempotent = false;
  bool compensated = true;   ///< there is something to undo
  SagaRetry retry;
  SagaRetry compensation_retry;
};
std::vector<SagaStepPlan> plan_of(const Saga& saga);

/// Why this cannot be a record of this saga, which it says to be; empty if it can. To be asked of one that was read.
std::string misfit(const std::vector<SagaStepPlan>& plan, const SagaRecord& record);

class SagaMachine {
 public:
  struct Next {
    enum class Kind : std::uint8_t { act, undo, finished };
    Kind kind = Kind::finished;
    std::size_t step = 0;
    int attempt = 1;
  };

  /// `seed` makes the jitter of each its own.
  SagaMachine(std::vector<SagaStepPlan> plan, SagaRecord record, std::uint64_t seed);

  const SagaRecord& record() const noexcept { return record_; }
  Next next() const;
  const std::string& step_name(std::size_t step) const { return plan_[step].name; }

  // One of these first. Each changes the record.
  void begin();     ///< a new one
  void recover(std::chrono::system_clock::time_point now);   ///< one whose process ended
  void retry();     ///< one that is stuck

  /// What `next` said is done. Changes the record.
  void succeeded(nlohmann::json state);
  /// It failed. The delay until the next attempt; nothing: the record has changed.
  std::optional<std::chrono::milliseconds> failed(Failure failure);
  /// Turn back instead of going on: cancelled, or out of time. Of what is under way, the end is told as usual. Without effect
  /// once the saga turned back or has finished.
  void stop(Failure cause);
  /// Stopped, and going forward still: `give_up` is due, unless an action is under way.
  bool stopping() const noexcept { return stop_ && record_.status == SagaStatus::running; }
  /// No action is under way, and none is to begin. Changes the record.
  void give_up();

 private:
  void turn_back(Failure cause);
  void go_back();
  std::size_t started_step() const;
  std::optional<std::size_t> step_to_undo() const;
  std::chrono::milliseconds delay(const SagaRetry& retry);

  std::vector<SagaStepPlan> plan_;
  SagaRecord record_;
  std::mt19937_64 random_;
  int attempt_ = 1;
  bool unknown_ = false;   // of the step under way: an attempt may have been done, whatever a later one says
  std::optional<Failure> stop_;
};

}  // namespace ferry::detail
