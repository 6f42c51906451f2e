#pragma once
// What a client has under way: slots with ids and deadlines. No socket, no clock: time is an argument.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ferry::detail {

class Operation;

/// Slots are reused; a key holds its slot and the slot's generation, so that an old key finds nothing.
///
/// Deadlines that come in order, as they do with one timeout for all, stand in a line: adding and removing cost O(1). One
/// that is earlier than the last of the line goes to an indexed binary heap.
class InFlight {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr unsigned slot_bits = 20;
  static constexpr unsigned generation_bits = 24;
  static constexpr unsigned key_bits = slot_bits + generation_bits;
  static constexpr std::size_t max_slots = std::size_t{1} << slot_bits;

  explicit InFlight(std::size_t limit) : limit_(limit < max_slots ? limit : max_slots) {}

  /// The key, never 0; nothing if the limit is reached.
  std::optional<std::uint64_t> add(Operation* operation, Time deadline);
  Operation* find(std::uint64_t key) const noexcept;
  /// Frees the slot. Null if the key is not known (any more).
  Operation* remove(std::uint64_t key) noexcept;
  void set_deadline(std::uint64_t key, Time deadline) noexcept;

  std::optional<Time> next_deadline() const noexcept;
  /// One operation whose deadline is not after `now`; it stays in. Null if there is none.
  Operation* expired(Time now) const noexcept;
  std::vector<Operation*> all() const;
  std::size_t size() const noexcept { return size_; }
  std::size_t limit() const noexcept { return limit_; }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct Slot {
    Operation* operation = nullptr;
    Time deadline;
    std::uint32_t generation = 1;
    std::uint32_t heap_index = none;   // none: in the line
    std::uint32_t previous = none;     // in the line
    std::uint32_t next = none;
  };
  const Slot* slot_of(std::uint64_t key) const noexcept;
  const Slot* earliest() const noexcept;
  void enter(std::uint32_t index) noexcept;
  void leave(std::uint32_t index) noexcept;
  void place(std::size_t heap_index, std::uint32_t slot) noexcept;
  void sift_up(std::size_t index) noexcept;
  void sift_down(std::size_t index) noexcept;

  std::size_t limit_;
  std::size_t size_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint32_t first_ = none;        // of the line
  std::uint32_t last_ = none;
  std::vector<std::uint32_t> heap_;   // slot numbers, earliest deadline first; never more than it has room for
};

}  // namespace ferry::detail
