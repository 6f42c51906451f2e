#include "ferry/detail/clock.hpp"

#include <time.h>

namespace ferry::detail {
namespace {

using Clock = std::chrono::steady_clock;   // libstdc++: CLOCK_MONOTONIC

Clock::duration duration_of(const timespec& time) noexcept {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Clock::duration tick() noexcept {
  timespec resolution{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return duration_of(resolution);
}

}  // namespace

Clock::time_point coarse_now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return Clock::time_point(duration_of(time));
}

Clock::time_point deadline_in(std::chrono::milliseconds limit) noexcept {
  using namespace std::chrono_literals;
  static const Clock::duration one_tick = tick();
  return limit < 1s ? Clock::now() + limit : coarse_now() + one_tick + limit;
}

}  // namespace ferry::detail
