#pragma once
// JSON text as ECMAScript's JSON.stringify writes it: shortest numbers, few escapes, no spaces.

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace ferry::detail {

/// `text` in quotes. Ill-formed UTF-8 becomes U+FFFD; a lone surrogate in WTF-8 becomes its `\udxxx` escape.
void append_json_string(std::string& out, std::string_view text);

/// Shortest text that reads back the same, laid out as ECMAScript does (`1e+21`, `1e-7`, `-0` → `0`). NaN and
/// infinities → `null`.
void append_json_number(std::string& out, double value);

template <std::integral T>
void append_json_number(std::string& out, T value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

/// NestJS's form of binary data in JSON: `{"type":"Buffer","data":[0,1,255]}`.
void append_json_buffer(std::string& out, std::string_view bytes);

/// True for a key that ECMAScript treats as an array index and therefore lists first: `0`, `17`, not `017` or `-1`.
bool is_index_key(std::string_view key) noexcept;

}  // namespace ferry::detail
