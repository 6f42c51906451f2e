#pragma once
// A rate, with bursts. Time goes in; nothing here has a clock.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace ferry::detail {

class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  /// `tokens` in every `per`, saved up to `burst`. Full at the start.
  TokenBucket(std::int64_t tokens, std::chrono::milliseconds per, std::int64_t burst, Clock::time_point now)
      : each_(static_cast<double>(Clock::duration(per).count()) / static_cast<double>(tokens)),
        burst_(static_cast<double>(burst)),
        tokens_(burst_),
        counted_(now) {}

  bool take(Clock::time_point now) {
    tokens_ = std::min(burst_, tokens_ + static_cast<double>((now - counted_).count()) / each_);
    counted_ = now;
    if (tokens_ < one) return false;
    tokens_ -= 1;
    return true;
  }
  /// When `take` will succeed again, after it did not.
  Clock::time_point next() const { return counted_ + Clock::duration(static_cast<Clock::rep>(std::ceil((1 - tokens_) * each_))); }

 private:
  static constexpr double one = 1 - 1e-9;   // rounded

  const double each_;           // of the clock's ticks between two tokens: less than one if they come faster than it ticks
  const double burst_;
  double tokens_;
  Clock::time_point counted_;   // when so many were here
};

}  // namespace ferry::detail
