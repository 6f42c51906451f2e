#pragma once
// A pull reader over JSON text: strict ECMAScript grammar (what JSON.parse takes), no tree, no allocation of its own.
// Used for envelopes, for payloads that go straight to a C++ type, and for patterns.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ferry::detail {

class JsonReader {
 public:
  /// Deeper nesting is refused as invalid: nobody's data, but a cheap way to exhaust a stack.
  static constexpr unsigned max_depth = 1000;

  enum class Type : std::uint8_t { invalid, null, boolean, number, string, array, object };

  /// `depth`: how many levels the text counts as nested already.
  explicit JsonReader(std::string_view text, unsigned depth = 0) noexcept
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()), depth_(depth) {}

  /// The type of the value that comes next; skips white space.
  Type peek() noexcept;

  bool read_null() noexcept;
  bool read_bool(bool& out) noexcept;
  /// The text of a number, unconverted.
  bool read_number(std::string_view& token) noexcept;
  bool read_string(std::string& out);   ///< unescaped; lone surrogates as WTF-8
  /// The raw text between the quotes; `escaped` tells whether it holds any backslash.
  bool read_raw_string(std::string_view& raw, bool& escaped) noexcept;

  bool begin_array() noexcept { return expect('[') && deeper(); }
  bool begin_object() noexcept { return expect('{') && deeper(); }
  /// Before each element. False at the end, or on a fault: ask `ok()` then.
  bool next_element(bool& first) noexcept;
  /// Before each member: reads the key and the colon. False at the end, or on a fault.
  bool next_member(bool& first, std::string_view& raw_key, bool& escaped) noexcept;

  /// Skips one value of any kind, checking all of it. `span` is its exact text.
  bool skip_value(std::string_view& span) noexcept;
  bool skip_value() noexcept {
    std::string_view ignored;
    return skip_value(ignored);
  }

  /// Passes over exactly this text, if it stands here: for texts whose usual shape is known. No fault if it does not.
  bool accept(std::string_view text) noexcept {
    if (fault_ != nullptr || static_cast<std::size_t>(end_ - at_) < text.size()) return false;
    if (std::memcmp(at_, text.data(), text.size()) != 0) return false;
    at_ += text.size();
    return true;
  }

  /// True if nothing but white space is left.
  bool at_end() noexcept;

  bool ok() const noexcept { return fault_ == nullptr; }
  const char* fault() const noexcept { return fault_; }              ///< what was wrong first
  std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  bool fail(const char* what) noexcept;

 private:
  bool expect(char c) noexcept;
  bool deeper() noexcept;
  bool literal(std::string_view word) noexcept;
  void skip_space() noexcept {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* fault_ = nullptr;
  unsigned depth_;
};

/// Undoes the escapes of a string's raw text, which must be valid.
void unescape_json(std::string_view raw, std::string& out);

/// True if `text` is one JSON value with nothing but white space around it.
bool is_json(std::string_view text) noexcept;

/// What ECMAScript makes of a number that no double can hold: zero or infinity, with its sign.
double nearest_double(std::string_view number) noexcept;

/// JavaScript's truthiness of a JSON value given as text: false for null, false, 0, -0, 0.0e5, "".
bool is_truthy_json(std::string_view value) noexcept;

}  // namespace ferry::detail
