#include "ferry/headers.hpp"

#include <cstddef>
#include <unordered_map>

namespace ferry {

Headers Headers::of(std::vector<Entry> entries) {
  constexpr std::size_t few = 16;   // looked through faster than hashed
  Headers result;
  result.entries_.reserve(entries.size());
  std::unordered_map<std::string_view, std::size_t> places;   // views into the result, whose entries do not move
  for (Entry& entry : entries) {
    if (entries.size() <= few) {
      result.set(entry.first, entry.second);
      continue;
    }
    const auto known = places.find(entry.first);
    if (known != places.end()) {
      result.entries_[known->second].second = std::move(entry.second);
    } else {
      places.emplace(result.entries_.emplace_back(std::move(entry)).first, places.size());
    }
  }
  return result;
}

}  // namespace ferry
