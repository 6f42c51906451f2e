#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace ferry::detail {

/// Doubling from `first` to `longest`, with "equal jitter": half of it fixed, half random, so that a fleet does not come back in
/// step. `failures`: so far, 1 or more. `random`: 64 random bits a call.
template <class Random>
std::chrono::milliseconds backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest, std::int64_t failures,
                                  Random&& random) {
  const auto doublings = std::clamp<std::int64_t>(failures - 1, 0, 20);
  const std::int64_t full = std::min(first.count() << doublings, longest.count());
  const std::int64_t fixed = full / 2;
  const auto more = random() % static_cast<std::uint64_t>(full - fixed + 1);   // its bias is nothing against 64 bits
  return std::chrono::milliseconds(fixed + static_cast<std::int64_t>(more));
}

}  // namespace ferry::detail
