#pragma once
// Publisher confirms: which of the messages published on a channel the broker has taken over.

#include <cstdint>
#include <deque>
#include <utility>

namespace ferry::rmq {

/// The broker counts a channel's messages from 1 on, and confirms one, or all up to one. `T` is what waits for it.
template <class T>
class Confirms {
 public:
  /// The number of the message that is added next.
  std::uint64_t next() const noexcept { return first_ + entries_.size(); }
  /// The next message of the channel was published.
  void add(T waiting) { entries_.push_back({std::move(waiting), false}); }
  std::size_t size() const noexcept { return entries_.size() - settled_; }
  /// Calls `done(T&)` for each message that this settles, in order. A number nobody published is ignored.
  template <class Done>
  void settle(std::uint64_t tag, bool multiple, Done done) {
    if (tag < first_ || tag - first_ >= entries_.size()) return;
    const std::size_t last = static_cast<std::size_t>(tag - first_);
    // What `done` does may end this or add to it: nothing of ours is in use while it runs.
    std::deque<T> due;
    for (std::size_t i = multiple ? 0 : last; i <= last; ++i) {
      if (std::exchange(entries_[i].settled, true)) continue;
      ++settled_;
      due.push_back(std::move(entries_[i].waiting));
    }
    while (!entries_.empty() && entries_.front().settled) {
      entries_.pop_front();
      --settled_;
      ++first_;
    }
    for (T& each : due) done(each);
  }
  T* find(std::uint64_t tag) {
    if (tag < first_ || tag - first_ >= entries_.size() || entries_[tag - first_].settled) return nullptr;
    return &entries_[static_cast<std::size_t>(tag - first_)].waiting;
  }
  /// Of a new channel.
  void reset() {
    entries_.clear();
    first_ = 1;
    settled_ = 0;
  }

 private:
  struct Entry {
    T waiting;
    bool settled;
  };
  std::deque<Entry> entries_;
  std::uint64_t first_ = 1;     // the number of the first entry
  std::size_t settled_ = 0;     // of the entries
};

}  // namespace ferry::rmq
