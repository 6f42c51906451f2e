#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace ferry::detail {

/// How often two things happened of late: counted in ten slices of time, of which the oldest is forgotten when a new one
/// begins. No clock: time is an argument. One that is earlier than the last seen counts as the last.
class RecentCounts {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Counts {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    friend bool operator==(const Counts&, const Counts&) = default;
  };
  static constexpr std::int64_t slices = 10;

  /// Of the slice now under way and the nine before it.
  explicit RecentCounts(std::chrono::milliseconds span) : slice_(std::chrono::nanoseconds(span) / slices) {}

  void add_a(Time now) { ++at_slice(now).a, ++sum_.a; }
  void add_b(Time now) { ++at_slice(now).b, ++sum_.b; }
  const Counts& sum(Time now) { return at_slice(now), sum_; }
  void clear() { counts_ = {}, sum_ = {}; }

 private:
  Counts& at_slice(Time now);

  std::chrono::nanoseconds slice_;
  std::array<Counts, slices> counts_{};
  Counts sum_;
  std::int64_t latest_ = 0;   // number of the slice, since the clock began
};

}  // namespace ferry::detail
