#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <nlohmann/json_fwd.hpp>

namespace ferry {

/// One member of an object pattern: `{"cmd", "sum"}`. Views what it is given; lives as long as the expression.
struct PatternField {
  enum class Kind : std::uint8_t { string, integer, number, boolean, null };

  constexpr PatternField(std::string_view k, std::string_view v) : key(k), kind(Kind::string), text(v) {}
  constexpr PatternField(std::string_view k, const char* v) : PatternField(k, std::string_view(v)) {}
  constexpr PatternField(std::string_view k, std::nullptr_t) : key(k), kind(Kind::null) {}
  template <std::same_as<bool> B>
  constexpr PatternField(std::string_view k, B v) : key(k), kind(Kind::boolean), integer(v) {}
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  constexpr PatternField(std::string_view k, I v) : key(k), kind(Kind::integer), integer(v) {}
  template <std::floating_point F>
  constexpr PatternField(std::string_view k, F v) : key(k), kind(Kind::number), number(v) {}

  std::string_view key;
  Kind kind;
  std::string_view text = {};
  std::int64_t integer = 0;
  double number = 0;
};

/// What a message is addressed to: a string, a number or a JSON object, as in NestJS's `@MessagePattern(...)`.
///
/// Two patterns are the same if their routes are: `{{"b", 1}, {"a", 2}}` equals `{{"a", 2}, {"b", 1}}`.
/// Keep object keys to ASCII identifiers: their order in the route follows a locale collation (en-US), not code points.
/// Threads: immutable after construction; share at will.
class Pattern {
 public:
  // By arity, not std::initializer_list: GCC 12 cannot compile the latter in an expression under co_await.
  template <std::convertible_to<std::string_view> S>
  Pattern(const S& text) : Pattern(Text{std::string_view(text)}) {}
  template <class N>
    requires(std::integral<N> || std::floating_point<N>) && (!std::same_as<N, bool>)
  Pattern(N number) : Pattern(Number{static_cast<double>(number)}) {}
  Pattern(PatternField a) { assign({&a, 1}); }
  Pattern(PatternField a, PatternField b) { assign(std::array{a, b}); }
  Pattern(PatternField a, PatternField b, PatternField c) { assign(std::array{a, b, c}); }
  Pattern(PatternField a, PatternField b, PatternField c, PatternField d) { assign(std::array{a, b, c, d}); }

  /// Any pattern from its JSON text, nested objects included. Throws `Error` (bad_pattern) for text that is no JSON and
  /// for booleans and null, which cannot work on the wire.
  static Pattern from_json(std::string_view text);

  /// The JSON text as it stands in a request: members in the order given.
  const std::string& json() const noexcept { return json_; }
  /// NestJS's canonical route: the key of the handler, and the channel, subject or topic on brokers.
  const std::string& route() const noexcept { return route_; }
  bool is_object() const noexcept { return is_object_; }

  friend bool operator==(const Pattern& a, const Pattern& b) { return a.route() == b.route(); }

 private:
  struct Text { std::string_view text; };
  struct Number { double value; };
  explicit Pattern(Text text);
  explicit Pattern(Number number);
  Pattern(std::string json, std::string route, bool is_object);

  void assign(std::span<const PatternField> fields);

  std::string json_;
  std::string route_;
  bool is_object_ = false;
};

namespace detail {

/// The route of a pattern; `ok` is false where NestJS has none (booleans, null).
struct Route {
  bool ok = false;
  std::string text;
};
Route route_of_json(std::string_view json);

/// What a server looks up for a received pattern: text that parses as JSON counts as that JSON, other text as itself.
Route lookup_key(std::string_view text);

/// NestJS's order of keys: ICU's root collation (`localeCompare`).
int compare_keys(std::string_view a, std::string_view b);

}  // namespace detail
}  // namespace ferry
