#pragma once
// How many may run at once, found out from how long they take. Durations go in; nothing here has a clock.

#include <chrono>
#include <cstddef>

namespace ferry::detail {

/// The limit shrinks in proportion as messages take longer than when few run at once, and grows by its square root while they do
/// not. What that takes is measured at the start and from time to time, with few at once (as Envoy's adaptive concurrency does):
/// learnt in passing, it would creep up with the limit.
class AdaptiveLimit {
 public:
  AdaptiveLimit(std::size_t least, std::size_t most);

  std::size_t limit() const noexcept { return static_cast<std::size_t>(measuring_ ? few_ : limit_); }
  /// One has ended that took `time`, with `running` at once when it began, itself included.
  void ended(std::chrono::nanoseconds time, std::size_t running);

 private:
  void measured(double mean);
  void adapt(double mean);

  const double least_;
  const double most_;
  const double few_;
  double limit_;
  double unhindered_ = 0;   // nanoseconds that a message takes among few
  bool measuring_ = true;
  double sum_ = 0;          // of this window
  std::size_t samples_ = 0;
  std::size_t windows_ = 0;   // since it was measured
  bool pressed_ = false;      // the limit was what held them back
};

}  // namespace ferry::detail
