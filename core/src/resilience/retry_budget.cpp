#include "retry_budget.hpp"

namespace ferry::detail {

bool RetryBudget::take(Time now) {
  const RecentCounts::Counts& recent = counts_.sum(now);
  const double most = settings_.ratio * static_cast<double>(recent.a) + settings_.per_second * static_cast<double>(span.count());
  if (static_cast<double>(recent.b + 1) > most) return false;
  counts_.add_b(now);
  return true;
}

}  // namespace ferry::detail
