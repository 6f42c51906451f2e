#pragma once
// nlohmann's full parse as the reference for ours. JSON.parse takes what nlohmann refuses, and the reverse; these are all
// the differences, each undone in the text that nlohmann gets, byte for byte at the same place:
//
// - `\ud800` alone: half a surrogate pair is a character of JavaScript strings. nlohmann gets `\ufffd`.
// - 1e999: JavaScript reads Infinity. nlohmann gets an exponent of zeros; texts with a number of more than 300 digits,
//   which are as large without one, are not compared.
// - A byte order mark at the start and what follows a NUL byte: nlohmann ignores both, JSON.parse neither.
// - More than 1000 levels: ours refuses them.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_reader.hpp"

namespace ferry::fuzz {

class JsonReference {
 public:
  /// `text` has to be UTF-8.
  explicit JsonReference(std::string_view text) : text_(text) {
    refused_ = text.starts_with("\xEF\xBB\xBF") || text.find('\0') != text.npos;
    adapt();
    tree_ = parse(text_);
    refused_ = refused_ || levels_ > detail::JsonReader::max_depth || tree_.is_discarded();
  }

  static nlohmann::json parse(std::string_view text) { return nlohmann::json::parse(text, nullptr, false); }

  bool comparable() const { return longest_number_ <= 300; }
  bool valid() const { return !refused_; }
  const nlohmann::json& tree() const { return tree_; }
  const std::string& text() const { return text_; }

  /// The value of a part of the text.
  nlohmann::json value_at(std::size_t offset, std::size_t size) const {
    return parse(std::string_view(text_).substr(offset, size));
  }
  /// All of it with another value in that place.
  nlohmann::json with(std::size_t offset, std::size_t size, std::string_view other) const {
    return parse(std::string(text_).replace(offset, size, other));
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void adapt() {
    std::size_t depth = 0;
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == '"') {
        i = adapt_string(i + 1);
      } else if (c == '{' || c == '[') {
        levels_ = std::max(levels_, ++depth);
      } else if ((c == '}' || c == ']') && depth != 0) {
        --depth;
      } else if ((c == 'e' || c == 'E') && i != 0 && is_digit(text_[i - 1])) {
        std::size_t at = i + 1;
        if (at < text_.size() && (text_[at] == '+' || text_[at] == '-')) ++at;
        for (; at < text_.size() && is_digit(text_[at]); ++at) text_[at] = '0';
      }
      digits = is_digit(c) || (c == '.' && digits != 0) ? digits + 1 : 0;
      longest_number_ = std::max(longest_number_, digits);
    }
  }

  /// Returns where the string ends; `at` is its first character.
  std::size_t adapt_string(std::size_t at) {
    for (; at < text_.size() && text_[at] != '"'; ++at) {
      if (text_[at] != '\\') continue;
      const auto unit = escaped_unit(at);
      if (unit && (*unit & 0xFC00) == 0xD800 && (escaped_unit(at + 6).value_or(0) & 0xFC00) == 0xDC00) {
        at += 11;
      } else if (unit && (*unit & 0xF800) == 0xD800) {
        text_.replace(at, 6, "\\ufffd");
        at += 5;
      } else {
        ++at;
      }
    }
    return at;
  }

  std::optional<unsigned> escaped_unit(std::size_t at) const {
    if (text_.size() < at + 6 || text_[at] != '\\' || text_[at + 1] != 'u') return std::nullopt;
    const std::string hex = text_.substr(at + 2, 4);
    if (hex.find_first_not_of("0123456789abcdefABCDEF") != hex.npos) return std::nullopt;
    return static_cast<unsigned>(std::stoul(hex, nullptr, 16));
  }

  std::string text_;
  nlohmann::json tree_;
  std::size_t levels_ = 0;
  std::size_t longest_number_ = 0;
  bool refused_ = false;
};

}  // namespace ferry::fuzz
