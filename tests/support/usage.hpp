#pragma once
// What a process uses, as /proc tells it.

#include <cstddef>

#include <sys/types.h>

namespace ferry::test {

struct Usage {
  std::size_t resident_bytes = 0;
  std::size_t peak_bytes = 0;   ///< the most that was resident, since the start or `reset_peak`
  std::size_t threads = 0;
  std::size_t descriptors = 0;
};

Usage usage_of(pid_t process);
/// False where the system does not let us: `peak_bytes` goes back to the start then.
bool reset_peak(pid_t process);

/// A sanitizer keeps freed memory and takes its time: figures say nothing then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace ferry::test
