#include "recent_counts.hpp"

#include <algorithm>

namespace ferry::detail {

RecentCounts::Counts& RecentCounts::at_slice(Time now) {
  const std::int64_t current = std::max<std::int64_t>(now.time_since_epoch() / slice_, latest_);
  const std::int64_t passed = std::min(current - latest_, slices);
  for (std::int64_t number = current - passed + 1; number <= current; ++number) {
    Counts& oldest = counts_[static_cast<std::size_t>(number % slices)];
    sum_.a -= oldest.a;
    sum_.b -= oldest.b;
    oldest = {};
  }
  latest_ = current;
  return counts_[static_cast<std::size_t>(current % slices)];
}

}  // namespace ferry::detail
