#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace ferry::detail {

/// The values that were asked for last, by name, within bounds of number, size and age. Time goes in; nothing here has a clock.
template <class T>
class Recent {
 public:
  using Clock = std::chrono::steady_clock;

  Recent(std::size_t max_entries, std::size_t max_bytes, std::chrono::milliseconds time_to_live)
      : max_entries_(max_entries), max_bytes_(max_bytes), time_to_live_(time_to_live) {}

  /// Null if it is not here, or too old.
  T* find(const std::string& key, Clock::time_point now) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    if (found->second->since + time_to_live_ <= now) return erase(found->second), nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }
  /// In place of one that is here. Not kept if it is larger than all that is.
  void put(const std::string& key, T value, std::size_t bytes, Clock::time_point now) {
    remove(key);
    if (bytes > max_bytes_) return;
    while (!entries_.empty() && (entries_.size() >= max_entries_ || bytes_ + bytes > max_bytes_)) erase(std::prev(entries_.end()));
    entries_.push_front({key, std::move(value), bytes, now});
    bytes_ += bytes;
    index_.emplace(key, entries_.begin());
  }
  void remove(const std::string& key) {
    const auto found = index_.find(key);
    if (found != index_.end()) erase(found->second);
  }
  std::size_t size() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Entry {
    std::string key;
    T value;
    std::size_t bytes;
    Clock::time_point since;
  };
  using Place = typename std::list<Entry>::iterator;

  void erase(Place place) {
    bytes_ -= place->bytes;
    index_.erase(place->key);
    entries_.erase(place);
  }

  const std::size_t max_entries_;
  const std::size_t max_bytes_;
  const std::chrono::milliseconds time_to_live_;
  std::list<Entry> entries_;   // the one asked for last first
  std::unordered_map<std::string, Place> index_;
  std::size_t bytes_ = 0;
};

}  // namespace ferry::detail
