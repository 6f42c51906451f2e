#pragma once
// How long to wait before something is tried again.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace ferry::detail {

/// Doubling with each failure in a row, from `first` up to `longest`, with "equal jitter": half of it fixed, half random, so
/// that a fleet does not come back in step.
template <class Random>
std::chrono::milliseconds backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest, std::int64_t failures,
                                  Random& random) {
  const auto doublings = std::min<std::int64_t>(failures - 1, 20);
  const std::int64_t full = std::min(first.count() << doublings, longest.count());
  std::uniform_int_distribution<std::int64_t> jitter(full / 2, std::max<std::int64_t>(full, 1));
  return std::chrono::milliseconds(jitter(random));
}

}  // namespace ferry::detail
