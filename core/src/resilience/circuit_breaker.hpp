#pragma once

#include <cstdint>
#include <optional>

#include "ferry/circuit.hpp"
#include "ferry/detail/resilience_settings.hpp"
#include "recent_counts.hpp"

namespace ferry::detail {

/// Refuses calls to a service that mostly fails, until a few that are let through succeed. No clock: time is an argument.
class CircuitBreaker {
 public:
  using Time = RecentCounts::Time;
  /// Given to a call that is let through, and given back with its outcome, once.
  using Pass = std::uint32_t;
  enum class Outcome : std::uint8_t {
    success,
    failure,
    none,   ///< says nothing of the service: cancelled, not even sent
  };

  explicit CircuitBreaker(CircuitSettings settings) : settings_(settings), recent_(settings.window) {}

  /// Whether `pass` would refuse.
  bool refuses(Time now) const noexcept;
  /// Never 0; nothing: the call is refused.
  std::optional<Pass> pass(Time now);
  /// What was let through in another state than the present one says nothing any more.
  void end(Pass pass, Outcome outcome, Time now);

  Circuit state() const noexcept { return state_; }
  /// Successes and failures when it was last closed.
  const RecentCounts::Counts& counts() const noexcept { return seen_; }
  const CircuitSettings& settings() const noexcept { return settings_; }

 private:
  void become(Circuit state);
  void open(Time now);

  CircuitSettings settings_;
  Circuit state_ = Circuit::closed;
  RecentCounts recent_;              // successes, failures
  RecentCounts::Counts seen_;        // at the last outcome that counted
  Pass period_ = 1;                  // one a change of state
  Time open_until_;
  std::uint32_t probing_ = 0;        // let through, not ended
  std::uint32_t succeeded_ = 0;
};

}  // namespace ferry::detail
