#pragma once
// Ids on the wire: 21 lower-case hex characters, as NestJS's. Ten are random and tell one client from all others; eleven
// are the key of the request in its client's table, so that a reply finds its request without a search.

#include <array>
#include <cstdint>
#include <string_view>

#include "in_flight.hpp"

namespace ferry::detail {

class RequestIds {
 public:
  static constexpr std::size_t length = 21;
  using Text = std::array<char, length>;

  explicit RequestIds(std::uint64_t random) noexcept {
    for (std::size_t i = 0; i < prefix_length; ++i) prefix_[i] = digits[(random >> (4 * i)) & 15];
  }

  Text text(std::uint64_t key) const noexcept {
    Text out;
    for (std::size_t i = 0; i < prefix_length; ++i) out[i] = prefix_[i];
    for (std::size_t i = length; i-- > prefix_length; key >>= 4) out[i] = digits[key & 15];
    return out;
  }

  /// 0 if it is no id of this client.
  std::uint64_t key(std::string_view text) const noexcept {
    if (text.size() != length || text.substr(0, prefix_length) != std::string_view(prefix_.data(), prefix_length)) return 0;
    std::uint64_t key = 0;
    for (const char c : text.substr(prefix_length)) {
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (digit < 0) return 0;
      key = key << 4 | static_cast<std::uint64_t>(digit);
    }
    return key;
  }

 private:
  static constexpr std::size_t prefix_length = 10;
  static_assert((length - prefix_length) * 4 == InFlight::key_bits);
  static constexpr char digits[] = "0123456789abcdef";

  std::array<char, prefix_length> prefix_{};
};

}  // namespace ferry::detail
