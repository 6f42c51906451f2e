#include "transports/mqtt/bytes.hpp"

#include "ferry/detail/utf.hpp"

namespace ferry::mqtt {
namespace {

bool is_utf8_without_nul(std::string_view text) noexcept {
  return detail::is_valid_utf8(text) && text.find('\0') == std::string_view::npos;
}

}  // namespace

std::uint32_t ByteReader::number(std::size_t size) noexcept {
  std::uint32_t value = 0;
  for (const char each : take(size)) value = value << 8U | static_cast<std::uint8_t>(each);
  return value;
}

std::string_view ByteReader::take(std::size_t size) noexcept {
  if (!ok || size > rest.size()) {
    ok = false;
    return {};
  }
  const std::string_view taken = rest.substr(0, size);
  rest.remove_prefix(size);
  return taken;
}

std::uint32_t ByteReader::varint() noexcept {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const std::uint8_t each = byte();
    value |= static_cast<std::uint32_t>(each & 0x7fU) << shift;
    if ((each & 0x80U) == 0) return value;
  }
  ok = false;   // four bytes are all there may be
  return 0;
}

std::string_view ByteReader::text() noexcept {
  const std::string_view bytes = binary();
  if (!is_utf8_without_nul(bytes)) ok = false;
  return ok ? bytes : std::string_view();
}

void append_two(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8U);
  out += static_cast<char>(value & 0xffU);
}

void append_four(std::string& out, std::uint32_t value) {
  append_two(out, static_cast<std::uint16_t>(value >> 16U));
  append_two(out, static_cast<std::uint16_t>(value & 0xffffU));
}

void append_varint(std::string& out, std::uint32_t value) {
  do {
    const std::uint32_t more = value > 0x7fU ? 0x80U : 0U;
    out += static_cast<char>((value & 0x7fU) | more);
    value >>= 7U;
  } while (value != 0);
}

std::size_t varint_size(std::uint32_t value) noexcept {
  std::size_t size = 1;
  while ((value >>= 7U) != 0) ++size;
  return size;
}

void append_binary(std::string& out, std::string_view bytes) {
  append_two(out, static_cast<std::uint16_t>(bytes.size()));
  out += bytes;
}

bool is_text(std::string_view text) noexcept { return text.size() <= longest_text && is_utf8_without_nul(text); }

}  // namespace ferry::mqtt
