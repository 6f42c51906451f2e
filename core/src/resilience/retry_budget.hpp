#pragma once

#include <chrono>

#include "ferry/detail/resilience_settings.hpp"
#include "recent_counts.hpp"

namespace ferry::detail {

/// Keeps retries from multiplying the load on a service in trouble: of the last ten seconds, no more than `ratio` times the
/// first attempts and `per_second` a second beside those. No clock: time is an argument.
class RetryBudget {
 public:
  using Time = RecentCounts::Time;
  static constexpr std::chrono::seconds span{10};

  explicit RetryBudget(BudgetSettings settings) : settings_(settings) {}

  void first_attempt(Time now) { counts_.add_a(now); }
  /// May a retry be made? If so, it has been counted.
  bool take(Time now);

 private:
  BudgetSettings settings_;
  RecentCounts counts_{span};   // first attempts, retries
};

}  // namespace ferry::detail
