#pragma once
// Ids on the wire: 21 lower-case hex characters, as NestJS's. Ten are random and tell one client from all others; eleven
// are the key of the request in its client's table, so that a reply finds its request without a search.

#include <array>
#include <cstdint>
#include <cstring>
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
    std::memcpy(out.data(), prefix_.data(), prefix_length);
    // Two digits at a time; the eleventh from the right stands alone.
    for (std::size_t i = length - 2; i > prefix_length; i -= 2, key >>= 8) std::memcpy(&out[i], &pairs[2 * (key & 255)], 2);
    out[prefix_length] = digits[key & 15];
    return out;
  }

  /// 0 if it is no id of this client.
  std::uint64_t key(std::string_view text) const noexcept {
    if (text.size() != length || text.substr(0, prefix_length) != std::string_view(prefix_.data(), prefix_length)) return 0;
    std::uint64_t key = 0;
    int wrong = 0;
    for (const char c : text.substr(prefix_length)) {
      const int digit = values[static_cast<unsigned char>(c)];
      wrong |= digit;
      key = key << 4 | static_cast<std::uint64_t>(digit & 15);
    }
    return wrong < 0 ? 0 : key;
  }

 private:
  static constexpr std::size_t prefix_length = 10;
  static_assert((length - prefix_length) * 4 == InFlight::key_bits);
  static constexpr char digits[] = "0123456789abcdef";
  static constexpr std::array<char, 512> pairs = [] {
    std::array<char, 512> all{};
    for (std::size_t i = 0; i < 256; ++i) {
      all[2 * i] = digits[i >> 4];
      all[2 * i + 1] = digits[i & 15];
    }
    return all;
  }();
  static constexpr std::array<signed char, 256> values = [] {
    std::array<signed char, 256> all{};
    all.fill(-1);
    for (int i = 0; i < 16; ++i) all[static_cast<unsigned char>(digits[i])] = static_cast<signed char>(i);
    return all;
  }();

  std::array<char, prefix_length> prefix_{};
};

}  // namespace ferry::detail
