#pragma once
// How many may run at once, found out from how long they take. Durations go in; nothing here has a clock.

#include <chrono>
#include <cstddef>

namespace ferry::detail {

/// After the gradient of TCP Vegas, as Netflix's concurrency-limits has it (Gradient2): while handlers take no longer than they
/// did over a long time the limit grows by its square root, and as they take longer it shrinks in proportion.
class AdaptiveLimit {
 public:
  AdaptiveLimit(std::size_t least, std::size_t most);

  std::size_t limit() const noexcept { return static_cast<std::size_t>(limit_); }
  /// One has ended that took `time`, with `running` at once when it began. Returns true if the limit is another now.
  bool ended(std::chrono::nanoseconds time, std::size_t running);

 private:
  const double least_;
  const double most_;
  double limit_;
  double usual_ = 0;        // nanoseconds, over some hundred windows
  double sum_ = 0;          // of this window
  std::size_t samples_ = 0;
  bool pressed_ = false;    // the limit was what held them back
};

}  // namespace ferry::detail
