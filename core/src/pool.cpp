#include "ferry/detail/pool.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace ferry::detail {
namespace {

constexpr std::size_t class_bytes = 64;
constexpr std::size_t classes = 16;        // up to 1 KiB
constexpr std::uint32_t max_kept = 1024;   // objects a class and thread

struct Free {
  Free* next;
};

struct Lists {
  std::array<Free*, classes> head{};
  std::array<std::uint32_t, classes> count{};
  bool alive = true;
  ~Lists() {
    alive = false;
    for (Free*& list : head) {
      while (list != nullptr) ::operator delete(static_cast<void*>(std::exchange(list, list->next)));
    }
  }
};

// Core is there when the program starts: no call to find the thread's copy.
[[gnu::tls_model("initial-exec")]] thread_local Lists lists;

}  // namespace

void* pool_allocate(std::size_t size) {
  const std::size_t index = (size + class_bytes - 1) / class_bytes - 1;
  if (!pooling || index >= classes) return ::operator new(size);
  Lists& mine = lists;
  if (Free* first = mine.head[index]) {
    mine.head[index] = first->next;
    --mine.count[index];
    return first;
  }
  return ::operator new((index + 1) * class_bytes);
}

void pool_free(void* memory, std::size_t size) noexcept {
  if (memory == nullptr) return;
  const std::size_t index = (size + class_bytes - 1) / class_bytes - 1;
  if (pooling && index < classes && lists.alive && lists.count[index] < max_kept) {
    Lists& mine = lists;
    mine.head[index] = new (memory) Free{mine.head[index]};
    ++mine.count[index];
    return;
  }
  ::operator delete(memory);
}

}  // namespace ferry::detail
