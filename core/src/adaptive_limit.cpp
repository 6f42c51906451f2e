#include "adaptive_limit.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ferry::detail {
namespace {

constexpr std::size_t window = 20;                // ends that make one decision
constexpr std::size_t windows_to_measure = 500;   // after so many what a message takes is measured again
constexpr double tolerance = 1.5;                 // times as long is as good
constexpr double smoothing = 0.2;                 // of a decision that is taken over at once

}  // namespace

AdaptiveLimit::AdaptiveLimit(std::size_t least, std::size_t most)
    : least_(static_cast<double>(least)),
      most_(static_cast<double>(most)),
      few_(std::clamp(3.0, least_, most_)),
      limit_(std::clamp(20.0, least_, most_)) {}

void AdaptiveLimit::ended(std::chrono::nanoseconds time, std::size_t running) {
  if (measuring_ && static_cast<double>(running) > few_) return;   // it began among more
  sum_ += static_cast<double>(time.count());
  pressed_ = pressed_ || 2 * running >= limit();
  if (++samples_ < window) return;
  const double mean = std::max(1.0, std::exchange(sum_, 0) / static_cast<double>(std::exchange(samples_, 0)));
  measuring_ ? measured(mean) : adapt(mean);
  pressed_ = false;
}

void AdaptiveLimit::measured(double mean) {
  unhindered_ = mean;
  measuring_ = false;
  windows_ = 0;
}

void AdaptiveLimit::adapt(double mean) {
  if (pressed_) {   // else it says nothing on what would happen with more
    const double gradient = std::clamp(tolerance * unhindered_ / mean, 0.5, 1.0);
    const double wanted = limit_ * gradient + std::sqrt(limit_);
    limit_ = std::clamp(limit_ * (1 - smoothing) + wanted * smoothing, least_, most_);
  }
  measuring_ = ++windows_ == windows_to_measure;
}

}  // namespace ferry::detail
