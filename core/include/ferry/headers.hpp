#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry {

/// Text headers that travel with a request or an event, in the order they were set. Names are compared exactly, except
/// where the transport's own headers are not (NATS, gRPC): prefer lower case.
/// Threads: a plain value.
class Headers {
 public:
  using Entry = std::pair<std::string, std::string>;

  Headers() = default;
  /// Any number of headers at once. Of several with one name the last counts, at the place of the first.
  static Headers of(std::vector<Entry> entries);

  /// Replaces the header of that name, or adds it.
  Headers& set(std::string_view name, std::string_view value) {
    for (Entry& entry : entries_) {
      if (entry.first == name) {
        entry.second = value;
        return *this;
      }
    }
    entries_.emplace_back(name, value);
    return *this;
  }
  std::optional<std::string_view> get(std::string_view name) const {
    for (const Entry& entry : entries_) {
      if (entry.first == name) return entry.second;
    }
    return std::nullopt;
  }
  bool contains(std::string_view name) const { return get(name).has_value(); }
  void erase(std::string_view name) {
    std::erase_if(entries_, [name](const Entry& entry) { return entry.first == name; });
  }
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }
  friend bool operator==(const Headers&, const Headers&) = default;

 private:
  std::vector<Entry> entries_;
};

}  // namespace ferry
