#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

namespace ferry::redis {

/// An entry's id, "1700000000000-3", as two numbers, to be compared: milliseconds since 1970, and which of those.
inline std::pair<std::uint64_t, std::uint64_t> id_order(std::string_view id) noexcept {
  std::pair<std::uint64_t, std::uint64_t> order{};
  const char* const end = id.data() + id.size();
  const auto first = std::from_chars(id.data(), end, order.first);
  if (first.ptr != end) std::from_chars(first.ptr + 1, end, order.second);
  return order;
}

}  // namespace ferry::redis
