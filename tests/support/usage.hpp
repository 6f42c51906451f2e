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

/// Sanitizers keep freed memory: what is resident says nothing then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool memory_tells = false;
#else
inline constexpr bool memory_tells = true;
#endif

}  // namespace ferry::test
