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
  } else {
    return std::nullopt;
  }
  Slot& slot = slots_[index];
  slot.operation = operation;
  slot.deadline = deadline;
  heap_.push_back(index);
  slot.heap_index = static_cast<std::uint32_t>(heap_.size() - 1);
  sift_up(heap_.size() - 1);
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
  Operation* operation = std::exchange(slot->operation, nullptr);
  const std::size_t hole = slot->heap_index;
  const std::uint32_t last = heap_.back();
  heap_.pop_back();
  if (hole < heap_.size()) {
    place(hole, last);
    sift_down(hole);
    sift_up(slots_[last].heap_index);
  }
  slot->generation = slot->generation + 1 < (1U << generation_bits) ? slot->generation + 1 : 1;
  free_.push_back(static_cast<std::uint32_t>(key & (max_slots - 1)));
  return operation;
}

void InFlight::set_deadline(std::uint64_t key, Time deadline) noexcept {
  Slot* slot = const_cast<Slot*>(slot_of(key));
  if (slot == nullptr) return;
  slot->deadline = deadline;
  sift_down(slot->heap_index);
  sift_up(slot->heap_index);
}

std::optional<InFlight::Time> InFlight::next_deadline() const noexcept {
  if (heap_.empty()) return std::nullopt;
  return slots_[heap_.front()].deadline;
}

Operation* InFlight::expired(Time now) const noexcept {
  if (heap_.empty() || slots_[heap_.front()].deadline > now) return nullptr;
  return slots_[heap_.front()].operation;
}

std::vector<Operation*> InFlight::all() const {
  std::vector<Operation*> operations;
  operations.reserve(heap_.size());
  for (const std::uint32_t index : heap_) operations.push_back(slots_[index].operation);
  return operations;
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
