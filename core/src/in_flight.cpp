#include "in_flight.hpp"

#include <utility>

namespace ferry::detail {

std::optional<std::uint64_t> InFlight::add(Operation* operation, Time deadline) {
  std::uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (slots_.size() < limit_) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
    heap_.reserve(slots_.capacity());
    free_.reserve(slots_.capacity());
  } else {
    return std::nullopt;
  }
  Slot& slot = slots_[index];
  slot.operation = operation;
  slot.deadline = deadline;
  enter(index);
  ++size_;
  return (static_cast<std::uint64_t>(slot.generation) << slot_bits) | index;
}

const InFlight::Slot* InFlight::slot_of(std::uint64_t key) const noexcept {
  const std::size_t index = key & (max_slots - 1);
  if (index >= slots_.size()) return nullptr;
  const Slot& slot = slots_[index];
  return slot.operation != nullptr && slot.generation == key >> slot_bits ? &slot : nullptr;
}

Operation* InFlight::find(std::uint64_t key) const noexcept {
  const Slot* slot = slot_of(key);
  return slot == nullptr ? nullptr : slot->operation;
}

Operation* InFlight::remove(std::uint64_t key) noexcept {
  Slot* slot = const_cast<Slot*>(slot_of(key));
  if (slot == nullptr) return nullptr;
  const auto index = static_cast<std::uint32_t>(key & (max_slots - 1));
  Operation* operation = std::exchange(slot->operation, nullptr);
  leave(index);
  --size_;
  slot->generation = slot->generation + 1 < (1U << generation_bits) ? slot->generation + 1 : 1;
  free_.push_back(index);
  return operation;
}

void InFlight::set_deadline(std::uint64_t key, Time deadline) noexcept {
  Slot* slot = const_cast<Slot*>(slot_of(key));
  if (slot == nullptr) return;
  const auto index = static_cast<std::uint32_t>(key & (max_slots - 1));
  leave(index);
  slot->deadline = deadline;
  enter(index);
}

const InFlight::Slot* InFlight::earliest() const noexcept {
  const Slot* in_line = first_ == none ? nullptr : &slots_[first_];
  const Slot* in_heap = heap_.empty() ? nullptr : &slots_[heap_.front()];
  if (in_line == nullptr || (in_heap != nullptr && in_heap->deadline < in_line->deadline)) return in_heap;
  return in_line;
}

std::optional<InFlight::Time> InFlight::next_deadline() const noexcept {
  const Slot* slot = earliest();
  if (slot == nullptr) return std::nullopt;
  return slot->deadline;
}

Operation* InFlight::expired(Time now) const noexcept {
  const Slot* slot = earliest();
  return slot == nullptr || slot->deadline > now ? nullptr : slot->operation;
}

std::vector<Operation*> InFlight::all() const {
  std::vector<Operation*> operations;
  operations.reserve(size_);
  for (std::uint32_t index = first_; index != none; index = slots_[index].next) operations.push_back(slots_[index].operation);
  for (const std::uint32_t index : heap_) operations.push_back(slots_[index].operation);
  return operations;
}

void InFlight::enter(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  if (last_ != none && slot.deadline < slots_[last_].deadline) {
    heap_.push_back(index);
    sift_up(heap_.size() - 1);
    return;
  }
  slot.heap_index = none;
  slot.previous = last_;
  slot.next = none;
  (last_ == none ? first_ : slots_[last_].next) = index;
  last_ = index;
}

void InFlight::leave(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  if (slot.heap_index == none) {
    (slot.previous == none ? first_ : slots_[slot.previous].next) = slot.next;
    (slot.next == none ? last_ : slots_[slot.next].previous) = slot.previous;
    return;
  }
  const std::size_t hole = slot.heap_index;
  const std::uint32_t last = heap_.back();
  heap_.pop_back();
  if (hole == heap_.size()) return;
  place(hole, last);
  sift_down(hole);
  sift_up(slots_[last].heap_index);
}

void InFlight::place(std::size_t heap_index, std::uint32_t slot) noexcept {
  heap_[heap_index] = slot;
  slots_[slot].heap_index = static_cast<std::uint32_t>(heap_index);
}

void InFlight::sift_up(std::size_t index) noexcept {
  const std::uint32_t slot = heap_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (slots_[heap_[parent]].deadline <= slots_[slot].deadline) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, slot);
}

void InFlight::sift_down(std::size_t index) noexcept {
  const std::uint32_t slot = heap_[index];
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && slots_[heap_[child + 1]].deadline < slots_[heap_[child]].deadline) ++child;
    if (slots_[slot].deadline <= slots_[heap_[child]].deadline) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, slot);
}

}  // namespace ferry::detail
