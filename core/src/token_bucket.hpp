#pragma once
// A rate, with bursts. Time goes in; nothing here has a clock.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace ferry::detail {

class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  /// `tokens` in every `per`, saved up to `burst`. Full at the start.
  TokenBucket(std::int64_t tokens, std::chrono::milliseconds per, std::int64_t burst, Clock::time_point now)
      : each_(std::chrono::duration_cast<Clock::duration>(per) / tokens), saved_(each_ * burst), empty_at_(now - saved_) {}

  bool take(Clock::time_point now) {
    empty_at_ = std::max(empty_at_, now - saved_);
    if (empty_at_ + each_ > now) return false;
    empty_at_ += each_;
    return true;
  }
  /// When `take` will succeed again, after it did not.
  Clock::time_point next() const { return empty_at_ + each_; }

 private:
  const Clock::duration each_;    // between two tokens
  const Clock::duration saved_;
  Clock::time_point empty_at_;    // had nothing been taken since then, as many tokens would be here as there are
};

}  // namespace ferry::detail
