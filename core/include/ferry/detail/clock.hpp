#pragma once
// Time as it is needed with every message: reading the exact clock costs as much as finding a handler.

#include <chrono>

namespace ferry::detail {

/// The steady clock as of the last tick, some milliseconds ago at most.
std::chrono::steady_clock::time_point coarse_now() noexcept;

/// When `limit` will have passed: never before, and where the limit is a second or more, up to two ticks after.
std::chrono::steady_clock::time_point deadline_in(std::chrono::milliseconds limit) noexcept;

}  // namespace ferry::detail
