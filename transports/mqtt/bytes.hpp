#pragma once
// MQTT's few data types: big-endian integers, integers of variable length, and texts with their length in front.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::mqtt {

inline constexpr std::size_t longest_text = 65535;
inline constexpr std::uint32_t largest_varint = 268'435'455;   // also the longest packet, without its header

/// Takes values from the front of `rest`. After one that was not all there, `ok` is false and stays so; values are 0 then.
struct ByteReader {
  std::string_view rest;
  bool ok = true;

  std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t two() noexcept { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t four() noexcept { return number(4); }
  std::uint32_t varint() noexcept;
  std::string_view take(std::size_t size) noexcept;
  std::string_view binary() noexcept { return take(two()); }
  /// Must be UTF-8 without U+0000.
  std::string_view text() noexcept;

 private:
  std::uint32_t number(std::size_t size) noexcept;
};

void append_two(std::string& out, std::uint16_t value);
void append_four(std::string& out, std::uint32_t value);
void append_varint(std::string& out, std::uint32_t value);
std::size_t varint_size(std::uint32_t value) noexcept;
/// At most `longest_text` bytes: whoever calls has checked.
void append_binary(std::string& out, std::string_view bytes);

/// True if MQTT can carry it as text: UTF-8, no U+0000, not longer than a length can say.
bool is_text(std::string_view text) noexcept;

}  // namespace ferry::mqtt
