#include "adaptive_limit.hpp"

#include <algorithm>
#include <cmath>

namespace ferry::detail {
namespace {

constexpr std::size_t window = 20;        // ends that make one decision
constexpr double tolerance = 1.5;         // times the usual that count as usual
constexpr double smoothing = 0.2;         // of a decision that is taken over at once
constexpr double usual_weight = 0.02;     // of a window in what is usual

}  // namespace

AdaptiveLimit::AdaptiveLimit(std::size_t least, std::size_t most)
    : least_(static_cast<double>(least)),
      most_(static_cast<double>(most)),
      limit_(std::clamp(20.0, least_, most_)) {}

bool AdaptiveLimit::ended(std::chrono::nanoseconds time, std::size_t running) {
  sum_ += static_cast<double>(time.count());
  pressed_ = pressed_ || 2 * running >= limit();
  if (++samples_ < window) return false;
  const double now = sum_ / static_cast<double>(samples_);
  const bool pressed = pressed_;
  sum_ = 0;
  samples_ = 0;
  pressed_ = false;
  if (usual_ == 0) usual_ = now;
  usual_ += usual_weight * (now - usual_);
  if (usual_ > 2 * now) usual_ *= 0.95;   // a slow time is over: it must not be the measure for long
  if (!pressed) return false;             // says nothing on what would happen with more
  const double gradient = std::clamp(tolerance * usual_ / std::max(now, 1.0), 0.5, 1.0);
  const double wanted = limit_ * gradient + std::sqrt(limit_);
  const std::size_t before = limit();
  limit_ = std::clamp(limit_ * (1 - smoothing) + wanted * smoothing, least_, most_);
  return limit() != before;
}

}  // namespace ferry::detail
