#pragma once
// Memory for small objects that come and go with every message: a free list a thread. An object freed on another
// thread joins that thread's list; lists are bounded.

#include <cstddef>
#include <new>

namespace ferry::detail {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool pooling = false;   // so that the sanitizers see every lifetime
#else
inline constexpr bool pooling = true;
#endif

void* pool_allocate(std::size_t size);
void pool_free(void* memory, std::size_t size) noexcept;

/// Derive from it to have `new` and `delete` use the pool.
struct Pooled {
  static void* operator new(std::size_t size) { return pool_allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { pool_free(memory, size); }
};

}  // namespace ferry::detail
