#pragma once
// One at a time for each key, in the order they came; different keys at once.

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace ferry::detail {

template <class T>
class KeyOrder {
 public:
  /// Gives `item` back if nothing of its key is at work; else keeps it until `done`.
  std::optional<T> enter(const std::string& key, T item) {
    const auto [place, first] = waiting_.try_emplace(key);
    if (first) return item;
    place->second.push_back(std::move(item));
    return std::nullopt;
  }
  /// What was at work for the key has ended. The next one, if there is one.
  std::optional<T> done(const std::string& key) {
    const auto place = waiting_.find(key);
    if (place == waiting_.end()) return std::nullopt;
    if (place->second.empty()) {
      waiting_.erase(place);
      return std::nullopt;
    }
    std::optional<T> next(std::move(place->second.front()));
    place->second.pop_front();
    return next;
  }
  /// What was at work for the key is gone, and with it those behind it: these.
  std::deque<T> leave(const std::string& key) {
    const auto place = waiting_.extract(key);
    return place ? std::move(place.mapped()) : std::deque<T>();
  }
  bool empty() const noexcept { return waiting_.empty(); }

 private:
  std::unordered_map<std::string, std::deque<T>> waiting_;   // the keys at work, each with those behind it
};

}  // namespace ferry::detail
