#include "ferry/detail/json_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "ferry/detail/utf.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ferry::detail {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline const char* over_space(const char* p, const char* end) noexcept {
  while (p != end && static_cast<unsigned char>(*p) <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
  return p;
}

#if defined(__SSE2__)
/// A bit for each of the 16 bytes at `p` that ends a run of plain string text.
inline unsigned string_stops(const char* p) noexcept {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
  const __m128i slash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control)));
}
#endif

/// The first quote, backslash or control character at or after `p`. `begin` is where readable text starts.
const char* string_stop(const char* begin, const char* p, const char* end) noexcept {
#if defined(__SSE2__)
  for (; end - p >= 16; p += 16) {
    if (const unsigned stops = string_stops(p)) return p + __builtin_ctz(stops);
  }
  if (end - begin >= 16) {   // the last block, part of which lies before `p`
    const unsigned stops = string_stops(end - 16) >> (16 - (end - p));
    return stops != 0 ? p + __builtin_ctz(stops) : end;
  }
#endif
  while (p != end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20) ++p;
  return p;
}

int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Four hex digits at `p`, or -1.
int hex4(const char* p) noexcept {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_value(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/// Behind the escape at `p`, or null.
const char* skip_escape(const char* p, const char* end, const char*& fault) noexcept {
  if (end - p < 2) return fault = "a string that does not end", nullptr;
  if (p[1] == 'u') return end - p >= 6 && hex4(p + 2) >= 0 ? p + 6 : (fault = "a bad \\u escape", nullptr);
  return std::memchr("\"\\/bfnrt", p[1], 8) != nullptr ? p + 2 : (fault = "a bad escape", nullptr);
}

/// Behind the closing quote, or null. `p` stands behind the opening one, `begin` is where readable text starts.
[[gnu::noinline]] const char* skip_long_string(const char* begin, const char* p, const char* end, bool& escaped,
                                               const char*& fault) noexcept {
  for (;;) {
    p = string_stop(begin, p, end);
    if (p == end) return fault = "a string that does not end", nullptr;
    if (*p == '"') return p + 1;
    if (*p != '\\') return fault = "a control character in a string", nullptr;
    escaped = true;
    if ((p = skip_escape(p, end, fault)) == nullptr) return nullptr;
  }
}

inline const char* skip_string(const char* begin, const char* p, const char* end, bool& escaped,
                               const char*& fault) noexcept {
#if defined(__SSE2__)
  if (end - p >= 16) {   // most strings, and nearly all keys
    const unsigned stops = string_stops(p);
    const char* const stop = p + __builtin_ctz(stops | 0x8000U);
    if (*stop == '"') return stop + 1;
  }
#endif
  return skip_long_string(begin, p, end, escaped, fault);
}

#if defined(__SSE2__)
/// How many of the 16 bytes at `p` are digits before the first that is none.
inline unsigned digits_of_16(const char* p) noexcept {
  const __m128i block = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), _mm_set1_epi8('0'));
  const __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(9)), block);
  return static_cast<unsigned>(__builtin_ctz(~static_cast<unsigned>(_mm_movemask_epi8(digit))));
}
#endif

/// Without a branch for each digit: how many there are is what a processor guesses worst.
inline const char* skip_digits(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
  while (end - p >= 16) {
    const unsigned digits = digits_of_16(p);
    p += digits;
    if (digits < 16) return p;
  }
#endif
  while (p != end && is_digit(*p)) ++p;
  return p;
}

/// Behind the number at `p`, or null.
inline const char* skip_number(const char* p, const char* end) noexcept {
  if (p != end && *p == '-') ++p;
  if (p == end || !is_digit(*p)) return nullptr;
  p = *p == '0' ? p + 1 : skip_digits(p + 1, end);
  if (p != end && *p == '.') {
    if (++p == end || !is_digit(*p)) return nullptr;
    p = skip_digits(p + 1, end);
  }
  if (p != end && (*p | 0x20) == 'e') {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    if (p == end || !is_digit(*p)) return nullptr;
    p = skip_digits(p + 1, end);
  }
  return p;
}

/// Behind the word at `p`, or null.
template <std::size_t N>
const char* skip_word(const char* p, const char* end, const char (&word)[N]) noexcept {
  return static_cast<std::size_t>(end - p) >= N - 1 && std::memcmp(p, word, N - 1) == 0 ? p + N - 1 : nullptr;
}

/// Behind the string, number or word at `p`, or null.
inline const char* skip_scalar(const char* begin, const char* p, const char* end, const char*& fault) noexcept {
  bool escaped = false;
  fault = "unexpected text";
  switch (*p) {
    case '"': return skip_string(begin, p + 1, end, escaped, fault);
    case 't': return skip_word(p, end, "true");
    case 'f': return skip_word(p, end, "false");
    case 'n': return skip_word(p, end, "null");
    default:
      if (*p == '-' || is_digit(*p)) fault = "a malformed number";
      return skip_number(p, end);
  }
}

/// Behind the key and the colon at `p`, or null.
inline const char* read_key(const char* begin, const char* p, const char* end, std::string_view& raw, bool& escaped,
                     const char*& fault) noexcept {
  p = over_space(p, end);
  if (p == end || *p != '"') return fault = "expected a string", nullptr;
  const char* const start = p + 1;
  escaped = false;
  if ((p = skip_string(begin, start, end, escaped, fault)) == nullptr) return nullptr;
  raw = {start, static_cast<std::size_t>(p - start - 1)};
  p = over_space(p, end);
  if (p == end || *p != ':') return fault = "expected ':'", nullptr;
  return p + 1;
}

inline const char* skip_key(const char* begin, const char* p, const char* end, const char*& fault) noexcept {
  std::string_view raw;
  bool escaped = false;
  return read_key(begin, p, end, raw, escaped, fault);
}

}  // namespace

bool JsonReader::fail(const char* what) noexcept {
  if (fault_ == nullptr) fault_ = what;
  return false;
}

bool JsonReader::expect(char c) noexcept {
  skip_space();
  if (fault_ == nullptr && at_ != end_ && *at_ == c) {
    ++at_;
    return true;
  }
  return fail(c == '{' ? "expected an object" : c == '[' ? "expected an array" : c == '"' ? "expected a string"
                                                                               : "expected ':'");
}

bool JsonReader::deeper() noexcept { return ++depth_ <= max_depth || fail("nested too deep"); }

JsonReader::Type JsonReader::peek() noexcept {
  skip_space();
  if (fault_ != nullptr || at_ == end_) return Type::invalid;
  switch (*at_) {
    case '{': return Type::object;
    case '[': return Type::array;
    case '"': return Type::string;
    case 't':
    case 'f': return Type::boolean;
    case 'n': return Type::null;
    default: return *at_ == '-' || is_digit(*at_) ? Type::number : Type::invalid;
  }
}

bool JsonReader::literal(std::string_view word) noexcept {
  skip_space();
  if (fault_ != nullptr || static_cast<std::size_t>(end_ - at_) < word.size() ||
      std::memcmp(at_, word.data(), word.size()) != 0) {
    return fail("unexpected text");
  }
  at_ += word.size();
  return true;
}

bool JsonReader::read_null() noexcept { return literal("null"); }

bool JsonReader::read_bool(bool& out) noexcept {
  const Type type = peek();
  if (type != Type::boolean) return fail("expected true or false");
  out = *at_ == 't';
  return literal(out ? "true" : "false");
}

bool JsonReader::read_number(std::string_view& token) noexcept {
  if (peek() != Type::number) return fail("expected a number");
  const char* stop = skip_number(at_, end_);
  if (stop == nullptr) return fail("a malformed number");
  token = {at_, static_cast<std::size_t>(stop - at_)};
  at_ = stop;
  return true;
}

bool JsonReader::read_raw_string(std::string_view& raw, bool& escaped) noexcept {
  if (!expect('"')) return false;
  escaped = false;
  const char* fault = nullptr;
  const char* stop = skip_string(begin_, at_, end_, escaped, fault);
  if (stop == nullptr) return fail(fault);
  raw = {at_, static_cast<std::size_t>(stop - at_ - 1)};
  at_ = stop;
  return true;
}

bool JsonReader::read_string(std::string& out) {
  std::string_view raw;
  bool escaped = false;
  if (!read_raw_string(raw, escaped)) return false;
  if (escaped) {
    out.clear();
    unescape_json(raw, out);
  } else {
    out.assign(raw);
  }
  return true;
}

bool JsonReader::next_element(bool& first) noexcept {
  skip_space();
  if (fault_ != nullptr) return false;
  if (at_ == end_) return fail("an array that does not end");
  if (*at_ == ']') {
    ++at_;
    --depth_;
    return false;
  }
  if (first) {
    first = false;
    return true;
  }
  if (*at_ != ',') return fail("expected ',' or ']'");
  ++at_;
  skip_space();
  if (at_ != end_ && *at_ == ']') return fail("a value is missing behind ','");
  return true;
}

bool JsonReader::next_member(bool& first, std::string_view& raw_key, bool& escaped) noexcept {
  if (fault_ != nullptr) return false;
  const char* p = at_ = over_space(at_, end_);
  if (p == end_) return fail("an object that does not end");
  if (*p == '}') {
    ++at_;
    --depth_;
    return false;
  }
  if (!first && *p++ != ',') return fail("expected ',' or '}'");
  first = false;
  const char* fault = nullptr;
  if ((p = read_key(begin_, p, end_, raw_key, escaped, fault)) == nullptr) return fail(fault);
  at_ = p;
  return true;
}

// One loop over local variables: this is where a service spends its time on large messages.
bool JsonReader::skip_value(std::string_view& span) noexcept {
  skip_space();
  if (fault_ != nullptr) return false;
  bool is_array[max_depth + 1];   // left unset: only levels that were entered are read
  unsigned depth = depth_;
  const char* const start = at_;
  const char* const end = end_;
  const char* p = at_;
  const char* fault = nullptr;
  const auto fail_at = [&](const char* where, const char* what) {
    at_ = where;
    return fail(what);
  };
  for (;;) {
    // One value, or the start of one.
    p = over_space(p, end);
    if (p == end) return fail_at(p, "the text ends too early");
    const char* const value = p;
    if (*p == '{' || *p == '[') {
      const bool array = *p == '[';
      if (depth == max_depth) return fail_at(value, "nested too deep");
      is_array[++depth] = array;
      p = over_space(p + 1, end);
      if (p == end || *p != (array ? ']' : '}')) {
        if (!array && (p = skip_key(begin_, p, end, fault)) == nullptr) return fail_at(value, fault);
        continue;
      }
      ++p;
      --depth;
    } else if ((p = skip_scalar(begin_, p, end, fault)) == nullptr) {
      return fail_at(value, fault);
    }
    // A value has ended: go on in what encloses it, or leave that too.
    for (;;) {
      if (depth == depth_) {
        at_ = p;
        span = {start, static_cast<std::size_t>(p - start)};
        return true;
      }
      const bool array = is_array[depth];
      p = over_space(p, end);
      if (p == end) return fail_at(p, array ? "an array that does not end" : "an object that does not end");
      if (*p == ',') {
        const char* const comma = p++;
        if (!array && (p = skip_key(begin_, p, end, fault)) == nullptr) return fail_at(comma, fault);
        break;
      }
      if (*p != (array ? ']' : '}')) return fail_at(p, array ? "expected ',' or ']'" : "expected ',' or '}'");
      ++p;
      --depth;
    }
  }
}

bool JsonReader::at_end() noexcept {
  skip_space();
  return ok() && at_ == end_;
}

void unescape_json(std::string_view raw, std::string& out) {
  const char* p = raw.data();
  const char* const end = p + raw.size();
  while (p != end) {
    const auto* slash = static_cast<const char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
    if (slash == nullptr) {
      out.append(p, end);
      return;
    }
    out.append(p, slash);
    p = slash + 2;
    switch (slash[1]) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        auto code = static_cast<char32_t>(hex4(p));
        p += 4;
        if (code >= 0xD800 && code < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
          const int low = hex4(p + 2);
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<char32_t>(low) - 0xDC00);
            p += 6;
          }
        }
        append_utf8(out, code);
        break;
      }
      default: out += slash[1];
    }
  }
}

bool is_json(std::string_view text) noexcept {
  JsonReader reader(text);
  return reader.skip_value() && reader.at_end();
}

double nearest_double(std::string_view number) noexcept {
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view digits = number.substr(0, e);
  std::int64_t exponent = 0;
  if (e != number.size()) {
    const bool plus = number[e + 1] == '+';
    const char* const from = number.data() + e + 1 + plus;
    if (std::from_chars(from, number.data() + number.size(), exponent).ec != std::errc()) {
      exponent = *from == '-' ? INT64_MIN / 2 : INT64_MAX / 2;   // more than any number of digits makes up for
    }
  }
  // Where its first digit stands, left of the point or right of it, and where the exponent moves it to.
  const auto first = static_cast<std::int64_t>(digits.find_first_of("123456789"));
  const auto point = static_cast<std::int64_t>(std::min(digits.find('.'), digits.size()));
  const double value = point - first + exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  return number.front() == '-' ? -value : value;
}

bool is_truthy_json(std::string_view value) noexcept {
  JsonReader reader(value);
  switch (reader.peek()) {
    case JsonReader::Type::null: return false;
    case JsonReader::Type::boolean: return value.find('t') != std::string_view::npos;
    case JsonReader::Type::string: return value.substr(value.find('"'), 2) != "\"\"";
    case JsonReader::Type::number:
      // Zero in any spelling has no digit 1-9 before its exponent; what underflows to zero does not matter here.
      return value.substr(0, value.find_first_of("eE")).find_first_of("123456789") != std::string_view::npos;
    default: return true;
  }
}

}  // namespace ferry::detail
