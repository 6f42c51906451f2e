#pragma once

#include <cstdint>

namespace ferry::test {

/// Calls of `operator new` in this thread so far, those of ferry's libraries included.
std::uint64_t allocations_here() noexcept;

}  // namespace ferry::test
