#include "histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ferry::tool {

// A value of more than `bits` + 1 binary digits loses its last `shift`. What is left begins with a 1, so that each shift
// fills `linear` buckets of its own behind those of the shift before.
std::size_t Histogram::bucket_of(std::uint64_t value) noexcept {
  if (value < linear) return static_cast<std::size_t>(value);
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - bits - 1;
  return shift * linear + static_cast<std::size_t>(value >> shift);
}

std::uint64_t Histogram::end_of(std::size_t bucket) noexcept {
  if (bucket < 2 * linear) return bucket;
  const std::size_t shift = bucket / linear - 1;
  const std::uint64_t first = static_cast<std::uint64_t>(bucket - shift * linear) << shift;
  return first + ((std::uint64_t{1} << shift) - 1);
}

void Histogram::add(std::chrono::nanoseconds value) noexcept {
  const std::uint64_t ns = static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0));
  ++counts_[bucket_of(ns)];
  ++count_;
  max_ = std::max(max_, ns);
  sum_ += static_cast<double>(ns);
}

std::chrono::nanoseconds Histogram::mean() const noexcept {
  return std::chrono::nanoseconds(count_ == 0 ? 0 : static_cast<std::int64_t>(sum_ / static_cast<double>(count_)));
}

std::chrono::nanoseconds Histogram::quantile(double share) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    seen += counts_[bucket];
    if (seen != 0 && seen >= wanted) return std::chrono::nanoseconds(std::min(end_of(bucket), max_));
  }
  return std::chrono::nanoseconds(0);
}

}  // namespace ferry::tool
