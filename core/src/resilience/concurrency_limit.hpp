#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "ferry/detail/resilience_settings.hpp"

namespace ferry::detail {

/// How many calls may be under way at once, and the queue of those that wait for one to end: first in, first out, bounded.
class ConcurrencyLimit {
 public:
  explicit ConcurrencyLimit(LimitSettings settings) : settings_(settings) {}

  /// True: it may go on, and `leave` is due when it has ended. Nobody overtakes the queue.
  bool enter() noexcept {
    if (active_ >= settings_.concurrent || !queue_.empty()) return false;
    return ++active_, true;
  }
  void leave() noexcept { --active_; }

  /// A place in the queue, never 0; nothing if it is full.
  std::optional<std::uint64_t> wait(std::uint64_t key) {
    if (queue_.size() >= settings_.queue) return std::nullopt;
    queue_.emplace_hint(queue_.end(), ++last_ticket_, key);
    return last_ticket_;
  }
  /// It does not wait any more: cancelled, or out of time.
  void give_up(std::uint64_t ticket) { queue_.erase(ticket); }
  /// The key of who waited longest and may now go on, as after `enter`; nothing if nobody may.
  std::optional<std::uint64_t> next() {
    if (active_ >= settings_.concurrent || queue_.empty()) return std::nullopt;
    ++active_;
    return queue_.extract(queue_.begin()).mapped();
  }

  bool someone_may_go_on() const noexcept { return active_ < settings_.concurrent && !queue_.empty(); }
  std::size_t active() const noexcept { return active_; }
  std::size_t waiting() const noexcept { return queue_.size(); }
  const LimitSettings& settings() const noexcept { return settings_; }

 private:
  LimitSettings settings_;
  std::size_t active_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, std::uint64_t> queue_;   // keys by ticket: in order, and any can leave
};

}  // namespace ferry::detail
