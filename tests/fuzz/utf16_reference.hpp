#pragma once
// How JavaScript reads bytes: the decoder of the WHATWG Encoding Standard (4.1, UTF-8), written after its text and not
// after ours.

#include <string>
#include <string_view>

namespace ferry::fuzz {

/// The UTF-16 of `bytes`, with U+FFFD for what is no UTF-8. `more`: other bytes may follow, so that an incomplete
/// character at the end is left out (Node's StringDecoder); otherwise it is one U+FFFD.
inline std::u16string to_utf16(std::string_view bytes, bool more = false) {
  std::u16string out;
  char32_t point = 0;
  int seen = 0;
  int needed = 0;
  unsigned lower = 0x80;
  unsigned upper = 0xBF;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (needed == 0) {
      if (byte <= 0x7F) {
        out += static_cast<char16_t>(byte);
      } else if (byte >= 0xC2 && byte <= 0xDF) {
        needed = 1;
        point = byte & 0x1FU;
      } else if (byte >= 0xE0 && byte <= 0xEF) {
        if (byte == 0xE0) lower = 0xA0;
        if (byte == 0xED) upper = 0x9F;
        needed = 2;
        point = byte & 0xFU;
      } else if (byte >= 0xF0 && byte <= 0xF4) {
        if (byte == 0xF0) lower = 0x90;
        if (byte == 0xF4) upper = 0x8F;
        needed = 3;
        point = byte & 0x7U;
      } else {
        out += u'\uFFFD';
      }
      continue;
    }
    if (byte < lower || byte > upper) {
      out += u'\uFFFD';
      needed = seen = 0;
      lower = 0x80;
      upper = 0xBF;
      --i;   // the byte is looked at again
      continue;
    }
    lower = 0x80;
    upper = 0xBF;
    point = (point << 6) | (byte & 0x3FU);
    if (++seen != needed) continue;
    if (point >= 0x10000) {
      out += static_cast<char16_t>(0xD800 + ((point - 0x10000) >> 10));
      out += static_cast<char16_t>(0xDC00 + ((point - 0x10000) & 0x3FF));
    } else {
      out += static_cast<char16_t>(point);
    }
    needed = seen = 0;
  }
  if (needed != 0 && !more) out += u'\uFFFD';
  return out;
}

}  // namespace ferry::fuzz
