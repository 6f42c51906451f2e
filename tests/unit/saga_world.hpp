#pragma once
// Services that a simulated saga talks to, and what becomes of its messages: everything from one seed.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ferry/saga/record.hpp"
#include "machine.hpp"

namespace ferry::test {

inline Failure answered() { return Failure(errc::rejected, "no", Fate::confirmed); }
inline Failure unsent() { return Failure(errc::not_connected, "nobody there", Fate::not_sent); }
inline Failure lost() { return Failure(errc::timed_out, "no answer", Fate::unknown); }
/// A handler threw something that is no answer.
inline Failure fallen_over() {
  Failure failure(errc::rejected, "", Fate::confirmed);
  failure.remote_body = R"({"status":"error","message":"Internal server error"})";
  return failure;
}
/// Of a client that sends again by itself: the attempt before the answer had none.
inline Failure answered_at_last() { return Failure(errc::rejected, "no", Fate::unknown); }
inline Failure gone_at_last() { return Failure(errc::no_handler, "nobody", Fate::unknown); }

/// Each step's service, as README asks for: a compensation succeeds for what never happened, and holds for what comes late.
class World {
 public:
  World(std::vector<detail::SagaStepPlan> plan, std::uint64_t seed) : plan_(std::move(plan)), random_(seed) {
    steps_.resize(plan_.size());
  }

  struct Step {
    bool done = false;
    bool undone = false;
    bool late = false;   // a request that nobody waits for any more, and that arrives at the end
    int executed = 0;
  };

  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  /// What the caller hears; nothing: a success.
  std::optional<Failure> act(std::size_t step) {
    switch (random_() % 16) {
      case 0: return answered();
      case 1: return unsent();
      case 2: return lost();                                  // never arrived
      case 3: execute(step); return lost();                   // the answer did not
      case 4: steps_[step].late = true; return lost();
      case 5: return fallen_over();
      case 6: execute(step); return fallen_over();            // with its work done
      case 7: return answered_at_last();
      case 8: execute(step); return answered_at_last();
      case 9: execute(step); return gone_at_last();
      default: return execute(step) ? std::nullopt : std::optional(answered());
    }
  }
  std::optional<Failure> undo(std::size_t step, int failing_percent) {
    if (chance(failing_percent)) {
      if (chance(50)) revert(step);
      return chance(50) ? lost() : answered();
    }
    revert(step);
    return std::nullopt;
  }
  void late_ones_arrive() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].late) execute(i);
    }
  }

  const Step& operator[](std::size_t step) const { return steps_[step]; }

 private:
  bool execute(std::size_t step) {
    if (steps_[step].undone) return false;
    if (plan_[step].idempotent && steps_[step].done) return true;   // by its key
    steps_[step].done = true;
    ++steps_[step].executed;
    return true;
  }
  void revert(std::size_t step) {
    steps_[step].done = false;
    steps_[step].undone = true;
  }

  std::vector<detail::SagaStepPlan> plan_;
  std::mt19937_64 random_;
  std::vector<Step> steps_;
};

}  // namespace ferry::test
