#pragma once
// How far a partition may be committed: decisions, with no driver and no clock.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace ferry::kafka {

/// Records are taken in the order of their offsets, which may have gaps (compacted topics, transactions), and settled in
/// any order. What may be committed is the offset after the last one below which all are settled.
class OffsetLedger {
 public:
  void take(std::int64_t offset) { entries_.push_back({offset, false}); }
  /// True if more may be committed now. False for what was not taken, or settled before.
  bool settle(std::int64_t offset);
  /// Nothing: none was settled yet.
  std::optional<std::int64_t> committable() const noexcept { return committable_; }
  /// From the oldest that is not settled to the newest taken.
  std::size_t window() const noexcept { return entries_.size(); }
  std::size_t unsettled() const noexcept { return entries_.size() - settled_; }

 private:
  struct Entry {
    std::int64_t offset;
    bool settled;
  };
  std::deque<Entry> entries_;
  std::size_t settled_ = 0;   // of the entries
  std::optional<std::int64_t> committable_;
};

}  // namespace ferry::kafka
