#include "ferry/detail/json_writer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "ferry/detail/utf.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ferry::detail {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

bool needs_escape(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

std::size_t plain_run(std::string_view text, std::size_t from) noexcept {
  std::size_t i = from;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i slash = _mm_set1_epi8('\\');
  const __m128i control = _mm_set1_epi8(0x1F);
  for (; i + 16 <= text.size(); i += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash)),
                                     _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
    const int mask = _mm_movemask_epi8(hit);
    if (mask != 0) return i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(mask))) - from;
  }
#endif
  while (i < text.size() && !needs_escape(text[i])) ++i;
  return i - from;
}

/// ASCII that stands for itself in a JSON string.
bool is_plain(std::string_view text) noexcept {
  std::size_t i = 0;
#if defined(__SSE2__)
  const auto plain_block = [](const char* p) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))),
                                     _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)));   // signed: control characters and non-ASCII
    return _mm_movemask_epi8(hit) == 0;
  };
  for (; i + 16 <= text.size(); i += 16) {
    if (!plain_block(text.data() + i)) return false;
  }
  if (text.size() >= 16) return i == text.size() || plain_block(text.data() + text.size() - 16);
#endif
  for (; i < text.size(); ++i) {
    if (needs_escape(text[i]) || static_cast<unsigned char>(text[i]) >= 0x80) return false;
  }
  return true;
}

void append_u_escape(std::string& out, unsigned code) {
  const char text[] = {'\\', 'u', hex_digits[code >> 12], hex_digits[(code >> 8) & 15], hex_digits[(code >> 4) & 15],
                       hex_digits[code & 15]};
  out.append(text, sizeof text);
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\b': out += "\\b"; break;
    case '\f': out += "\\f"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default: append_u_escape(out, static_cast<unsigned char>(c));
  }
}

void append_escaped(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t run = plain_run(text, i);
    out.append(text, i, run);
    i += run;
    if (i < text.size()) append_escape(out, text[i++]);
  }
}

/// A surrogate in its three-byte form at `i`, or 0.
unsigned surrogate_at(std::string_view text, std::size_t i) {
  if (text.size() - i < 3 || static_cast<unsigned char>(text[i]) != 0xED) return 0;
  const auto b = static_cast<unsigned char>(text[i + 1]);
  const auto c = static_cast<unsigned char>(text[i + 2]);
  if (b < 0xA0 || b > 0xBF || (c & 0xC0) != 0x80) return 0;
  return 0xD000U | (static_cast<unsigned>(b & 0x3F) << 6) | (c & 0x3F);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  if (is_plain(text)) {   // nearly all
    const std::size_t before = out.size();
    out.resize(before + text.size() + 2);
    char* p = out.data() + before;
    *p++ = '"';
    std::memcpy(p, text.data(), text.size());
    p[text.size()] = '"';
    return;
  }
  constexpr std::size_t large = 4096;
  if (text.size() >= large) out.reserve(out.size() + text.size() + 2);   // else the last quote doubles what the text took
  out += '"';
  if (is_valid_utf8(text)) {
    append_escaped(out, text);
  } else {
    std::size_t start = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (const unsigned surrogate = surrogate_at(text, i)) {
        append_escaped(out, replace_invalid_utf8(text.substr(start, i - start)));
        append_u_escape(out, surrogate);
        start = i + 3;
        i += 2;
      }
    }
    append_escaped(out, replace_invalid_utf8(text.substr(start)));
  }
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (std::fabs(value) < 9007199254740992.0) {
    const auto whole = static_cast<std::int64_t>(value);   // also turns -0 into 0
    if (static_cast<double>(whole) == value) return append_json_number(out, whole);
  }
  char text[32];
  if (std::fabs(value) < 1e15) {   // where the shortest text is no power of ten, ECMAScript writes the same
    char* const stop = std::to_chars(text, text + sizeof text, value).ptr;
    if (std::memchr(text, 'e', static_cast<std::size_t>(stop - text)) == nullptr) {
      out.append(text, static_cast<std::size_t>(stop - text));
      return;
    }
  }
  const char* end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  // d.ddde±XX → digits and the position of the decimal point (ECMA-262, Number::toString)
  const char* p = text;
  if (*p == '-') out += *p++;
  char digits[24];
  int count = 0;
  for (; p != end && *p != 'e'; ++p) {
    if (*p != '.') digits[count++] = *p;
  }
  int exponent = 0;
  ++p;
  if (*p == '+') ++p;
  std::from_chars(p, end, exponent);
  const int point = exponent + 1;
  const auto size = static_cast<std::size_t>(count);
  if (count <= point && point <= 21) {
    out.append(digits, size).append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out.append(digits, static_cast<std::size_t>(point)).append(1, '.');
    out.append(digits + point, static_cast<std::size_t>(count - point));
  } else if (-6 < point && point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits, size);
  } else {
    out += digits[0];
    if (count > 1) out.append(1, '.').append(digits + 1, size - 1);
    out += exponent < 0 ? "e-" : "e+";
    append_json_number(out, std::abs(exponent));
  }
}

void append_json_buffer(std::string& out, std::string_view bytes) {
  out += R"({"type":"Buffer","data":[)";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) out += ',';
    append_json_number(out, static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
  }
  out += "]}";
}

bool is_index_key(std::string_view key) noexcept {
  if (key.empty() || key.size() > 10 || (key[0] == '0' && key.size() > 1)) return false;
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  std::uint64_t value = 0;
  std::from_chars(key.data(), key.data() + key.size(), value);
  return value < 4294967295U;   // 2^32 - 2 is the largest array index
}

}  // namespace ferry::detail
