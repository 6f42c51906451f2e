#include "ferry/detail/utf.hpp"

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ferry::detail {
namespace {

/// Length of the run of ASCII bytes at the start.
std::size_t ascii_run(const char* p, std::size_t n) noexcept {
  std::size_t i = 0;
#if defined(__SSE2__)
  for (; i + 64 <= n; i += 64) {
    const auto* block = reinterpret_cast<const __m128i*>(p + i);
    const __m128i any = _mm_or_si128(_mm_or_si128(_mm_loadu_si128(block), _mm_loadu_si128(block + 1)),
                                     _mm_or_si128(_mm_loadu_si128(block + 2), _mm_loadu_si128(block + 3)));
    if (_mm_movemask_epi8(any) != 0) break;
  }
  for (; i + 16 <= n; i += 16) {
    if (_mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i))) != 0) break;
  }
  if (n >= 16 && i + 16 > n) {   // the last block, part of which is known to be ASCII
    const auto beyond = static_cast<unsigned>(_mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + n - 16))));
    if (beyond == 0) return n;
  }
#endif
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, p + i, sizeof word);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  while (i < n && static_cast<unsigned char>(p[i]) < 0x80) ++i;
  return i;
}

struct Step {
  std::size_t bytes;  ///< 0: more bytes are needed to tell
  bool valid;
};

bool continuation(unsigned char c) { return (c & 0xC0) == 0x80; }

/// What stands at a non-ASCII byte: a whole character, or a maximal ill-formed subpart (Unicode 3.9, table 3-7).
Step step(const unsigned char* p, std::size_t n) noexcept {
  const unsigned char lead = p[0];
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  if (n < 2) return {0, false};
  if (p[1] < low || p[1] > high) return {1, false};
  for (std::size_t i = 2; i < length; ++i) {
    if (i >= n) return {0, false};
    if (!continuation(p[i])) return {i, false};
  }
  return {length, true};
}

}  // namespace

bool is_ascii(std::string_view text) noexcept { return ascii_run(text.data(), text.size()) == text.size(); }

void scan_units(std::string_view text, std::size_t limit, UnitScan& scan) noexcept {
  while (scan.units < limit && scan.bytes < text.size()) {
    const std::size_t rest = text.size() - scan.bytes;
    const std::size_t wanted = limit - scan.units;
    const std::size_t run = ascii_run(text.data() + scan.bytes, rest < wanted ? rest : wanted);
    scan.bytes += run;
    scan.units += run;
    while (scan.units < limit && scan.bytes < text.size() && static_cast<unsigned char>(text[scan.bytes]) >= 0x80) {
      const auto* at = reinterpret_cast<const unsigned char*>(text.data()) + scan.bytes;
      const Step here = step(at, text.size() - scan.bytes);
      if (here.bytes == 0) return;
      const std::size_t units = here.valid && here.bytes == 4 ? 2 : 1;
      if (scan.units + units > limit) return;
      scan.bytes += here.bytes;
      scan.units += units;
      scan.invalid = scan.invalid || !here.valid;
    }
  }
}

std::size_t utf16_units(std::string_view text) noexcept {
  const std::size_t run = ascii_run(text.data(), text.size());
  if (run == text.size()) return run;
  UnitScan scan{run, run, false};
  scan_units(text, static_cast<std::size_t>(-1), scan);
  return scan.units + (scan.bytes < text.size() ? 1 : 0);   // a truncated last character is one U+FFFD
}

bool is_valid_utf8(std::string_view text) noexcept {
  UnitScan scan;
  scan_units(text, static_cast<std::size_t>(-1), scan);
  return !scan.invalid && scan.bytes == text.size();
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t run = ascii_run(text.data() + i, text.size() - i);
    out.append(text, i, run);
    i += run;
    if (i == text.size()) break;
    const auto* at = reinterpret_cast<const unsigned char*>(text.data()) + i;
    const Step here = step(at, text.size() - i);
    if (here.valid) {
      out.append(text, i, here.bytes);
    } else {
      out += "\xEF\xBF\xBD";
    }
    if (here.bytes == 0) break;   // truncated at the end: one U+FFFD for all of it
    i += here.bytes;
  }
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace ferry::detail
