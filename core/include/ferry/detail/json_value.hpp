#pragma once
// C++ values to and from JSON text. Numbers, strings, booleans, vectors, arrays, optionals and maps of those go straight
// to their type; everything else goes through nlohmann/json, whose `to_json`/`from_json` are the users' interface.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_reader.hpp"
#include "ferry/detail/json_writer.hpp"

namespace ferry::detail {

template <class T>
inline constexpr bool is_dom = false;
template <template <class, class, class...> class O, template <class, class...> class A, class S, class B, class I, class U,
          class F, template <class> class Al, template <class, class> class J, class Bin>
inline constexpr bool is_dom<nlohmann::basic_json<O, A, S, B, I, U, F, Al, J, Bin>> = true;

/// Of a member of a struct, from FERRY_DEFINE_TYPE: `,"id":` and what to say when it is missing.
struct MemberText {
  std::string_view key;
  const char* missing;
  constexpr std::string_view name() const noexcept { return key.substr(2, key.size() - 4); }
};

struct AnyVisitor {
  template <class M>
  void operator()(MemberText text, M& member) const;
};
/// Types of FERRY_DEFINE_TYPE.
template <class T>
concept Described = requires(T& value, AnyVisitor visitor) { ferry_visit_members(value, visitor); };

/// Types that are read and written without a tree in between.
template <class T>
inline constexpr bool is_direct = std::is_arithmetic_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t>;
template <>
inline constexpr bool is_direct<std::string> = true;
template <>
inline constexpr bool is_direct<std::string_view> = true;   // written only
template <>
inline constexpr bool is_direct<std::nullptr_t> = true;
template <class T, class A>
inline constexpr bool is_direct<std::vector<T, A>> = is_direct<T>;
template <class T, std::size_t N>
inline constexpr bool is_direct<std::array<T, N>> = is_direct<T>;
template <class T>
inline constexpr bool is_direct<std::optional<T>> = is_direct<T> || is_dom<T>;
template <class T, class C, class A>
inline constexpr bool is_direct<std::map<std::string, T, C, A>> = is_direct<T>;
template <class T, class H, class E, class A>
inline constexpr bool is_direct<std::unordered_map<std::string, T, H, E, A>> = is_direct<T>;

template <Described T>
inline constexpr bool is_direct<T> = true;

// ---- writing -------------------------------------------------------------------------------------------------------

template <class T>
void write_json(std::string& out, const T& value);

template <class Json>
void write_dom(std::string& out, const Json& value);

template <class Json>
void write_dom_members(std::string& out, const Json& object) {
  // ECMAScript lists integer-like keys first, ascending; the rest in insertion order.
  std::vector<std::pair<unsigned long, const Json*>> indexed;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (is_index_key(it.key())) indexed.emplace_back(std::stoul(it.key()), &it.value());
  }
  std::sort(indexed.begin(), indexed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  char separator = '{';
  for (const auto& [key, member] : indexed) {
    out.append(1, separator).append("\"").append(std::to_string(key)).append("\":");
    write_dom(out, *member);
    separator = ',';
  }
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (!indexed.empty() && is_index_key(it.key())) continue;
    out += separator;
    append_json_string(out, it.key());
    out += ':';
    write_dom(out, it.value());
    separator = ',';
  }
  out += separator == '{' ? "{}" : "}";
}

/// JSON text of a tree, as ECMAScript would write it.
template <class Json>
void write_dom(std::string& out, const Json& value) {
  using Type = nlohmann::json::value_t;
  switch (value.type()) {
    case Type::object: return write_dom_members(out, value);
    case Type::array: {
      char separator = '[';
      for (const Json& element : value) {
        out += separator;
        write_dom(out, element);
        separator = ',';
      }
      out += separator == '[' ? "[]" : "]";
      return;
    }
    case Type::string: return append_json_string(out, value.template get_ref<const std::string&>());
    case Type::boolean: out += value.template get<bool>() ? "true" : "false"; return;
    case Type::number_integer: return append_json_number(out, value.template get<std::int64_t>());
    case Type::number_unsigned: return append_json_number(out, value.template get<std::uint64_t>());
    case Type::number_float: return append_json_number(out, value.template get<double>());
    case Type::binary: {
      const auto& bytes = value.get_binary();
      return append_json_buffer(out, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    case Type::null:
    case Type::discarded: out += "null"; return;
  }
}

template <class Range>
void write_array(std::string& out, const Range& range) {
  char separator = '[';
  for (const auto& element : range) {
    out += separator;
    write_json<typename Range::value_type>(out, element);   // vector<bool> hands out a proxy
    separator = ',';
  }
  out += separator == '[' ? "[]" : "]";
}

template <class Map>
void write_map(std::string& out, const Map& map) {
  char separator = '{';
  for (const auto& [key, value] : map) {
    out += separator;
    append_json_string(out, key);
    out += ':';
    write_json(out, value);
    separator = ',';
  }
  out += separator == '{' ? "{}" : "}";
}

template <Described T>
void write_object(std::string& out, const T& value) {
  out += '{';
  std::size_t skip = 1;   // the comma of the first
  ferry_visit_members(value, [&](MemberText text, const auto& member) {
    out += text.key.substr(std::exchange(skip, 0));   // an identifier: nothing to escape
    write_json(out, member);
  });
  out += '}';
}

template <class T>
void write_json(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
    out += "null";
  } else if constexpr (std::integral<T>) {
    append_json_number(out, value);
  } else if constexpr (std::is_same_v<T, float>) {
    // The shortest text of the float itself, not of the double it widens to (0.1f is 0.1).
    char text[32];
    double as_written = 0;
    std::from_chars(text, std::to_chars(text, text + sizeof text, value).ptr, as_written);
    append_json_number(out, std::isfinite(value) ? as_written : std::numeric_limits<double>::quiet_NaN());
  } else if constexpr (std::floating_point<T>) {
    append_json_number(out, static_cast<double>(value));
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    append_json_string(out, value);
  } else if constexpr (is_dom<T>) {
    write_dom(out, value);
  } else if constexpr (!is_direct<T>) {
    write_dom(out, nlohmann::json(value));
  } else if constexpr (Described<T>) {
    write_object(out, value);
  } else if constexpr (requires { typename T::mapped_type; }) {
    write_map(out, value);
  } else if constexpr (requires { value.has_value(); }) {
    if (value) {
      write_json(out, *value);
    } else {
      out += "null";
    }
  } else {
    write_array(out, value);
  }
}

// ---- reading -------------------------------------------------------------------------------------------------------

template <class T>
bool read_json(JsonReader& reader, T& out);

/// Number text to double; too large → infinity, too small → 0, as ECMAScript reads it.
inline double to_double(std::string_view token) {
  if (token.size() <= 15) {   // most numbers are small integers, which std::from_chars takes its time for
    std::uint64_t digits = 0;
    const std::size_t sign = token[0] == '-' ? 1 : 0;
    std::size_t i = sign;
    for (; i < token.size() && token[i] >= '0' && token[i] <= '9'; ++i) {
      digits = 10 * digits + static_cast<std::uint64_t>(token[i] - '0');
    }
    if (i == token.size()) return sign != 0 ? -static_cast<double>(digits) : static_cast<double>(digits);
  }
  double out = 0;
  const auto result = std::from_chars(token.data(), token.data() + token.size(), out);
  return result.ec == std::errc::result_out_of_range ? nearest_double(token) : out;
}

template <class Json>
bool read_dom_number(JsonReader& reader, Json& out) {
  std::string_view token;
  if (!reader.read_number(token)) return false;
  const char* end = token.data() + token.size();
  if (token.find_first_of(".eE") == std::string_view::npos) {
    if (token[0] == '-') {
      std::int64_t value = 0;
      if (std::from_chars(token.data(), end, value).ec == std::errc{}) return out = value, true;
    } else {
      std::uint64_t value = 0;
      if (std::from_chars(token.data(), end, value).ec == std::errc{}) {
        // As nlohmann's own parser: whatever fits is unsigned.
        return out = value, true;
      }
    }
  }
  out = to_double(token);
  return true;
}

template <class Json>
bool read_dom(JsonReader& reader, Json& out) {
  switch (reader.peek()) {
    case JsonReader::Type::null: out = nullptr; return reader.read_null();
    case JsonReader::Type::boolean: {
      bool value = false;
      if (!reader.read_bool(value)) return false;
      out = value;
      return true;
    }
    case JsonReader::Type::number: return read_dom_number(reader, out);
    case JsonReader::Type::string: {
      std::string value;
      if (!reader.read_string(value)) return false;
      out = std::move(value);
      return true;
    }
    case JsonReader::Type::array: {
      out = Json::array();
      bool first = true;
      if (!reader.begin_array()) return false;
      while (reader.next_element(first)) {
        out.push_back(nullptr);
        if (!read_dom(reader, out.back())) return false;
      }
      return reader.ok();
    }
    case JsonReader::Type::object: {
      out = Json::object();
      bool first = true;
      std::string_view raw;
      bool escaped = false;
      if (!reader.begin_object()) return false;
      while (reader.next_member(first, raw, escaped)) {
        std::string key;
        if (escaped) {
          unescape_json(raw, key);
        } else {
          key.assign(raw);
        }
        if (!read_dom(reader, out[key])) return false;   // the last of equal keys wins, as in ECMAScript
      }
      return reader.ok();
    }
    case JsonReader::Type::invalid: break;
  }
  return reader.fail("the text ends too early or is no JSON");
}

/// Null, or why `value` is none of these integers.
template <std::integral T>
const char* to_integer(double value, T& out) {
  if (value != std::floor(value)) return "expected an integer, found a fraction";
  const double low = static_cast<double>(std::numeric_limits<T>::min());
  const double high = static_cast<double>(std::numeric_limits<T>::max());
  if (!(value >= low && value < high + (std::numeric_limits<T>::digits > 53 ? 0.0 : 1.0))) return "an integer out of range";
  out = static_cast<T>(value);
  return nullptr;
}

template <std::integral T>
bool read_integer(JsonReader& reader, T& out) {
  std::string_view token;
  if (!reader.read_number(token)) return false;
  const auto result = std::from_chars(token.data(), token.data() + token.size(), out);
  if (result.ec == std::errc{} && result.ptr == token.data() + token.size()) return true;
  const char* const fault = to_integer(to_double(token), out);   // 1e3 and 7.0 are integers too
  return fault == nullptr || reader.fail(fault);
}

template <class T>
bool read_array(JsonReader& reader, T& out) {
  bool first = true;
  std::size_t count = 0;
  if (!reader.begin_array()) return false;
  if constexpr (requires { out.clear(); }) out.clear();
  while (reader.next_element(first)) {
    typename T::value_type element{};
    if constexpr (requires { out.push_back(std::move(element)); }) {
      if constexpr (requires { out.reserve(8); }) {
        if (out.capacity() == 0) out.reserve(8);   // instead of growing to 1, 2 and 4
      }
      if (!read_json(reader, element)) return false;
      out.push_back(std::move(element));
    } else {
      if (count == out.size()) return reader.fail("more elements than the array holds");
      if (!read_json(reader, out[count++])) return false;
    }
  }
  if constexpr (!requires { out.clear(); }) {
    if (reader.ok() && count != out.size()) return reader.fail("fewer elements than the array holds");
  }
  return reader.ok();
}

template <class T>
bool read_map(JsonReader& reader, T& out) {
  bool first = true;
  std::string_view raw;
  bool escaped = false;
  if (!reader.begin_object()) return false;
  out.clear();
  while (reader.next_member(first, raw, escaped)) {
    std::string key;
    if (escaped) {
      unescape_json(raw, key);
    } else {
      key.assign(raw);
    }
    if (!read_json(reader, out[std::move(key)])) return false;
  }
  return reader.ok();
}

template <Described T>
bool read_object(JsonReader& reader, T& out) {
  bool first = true;
  std::string_view key;
  std::string unescaped;
  bool escaped = false;
  std::uint64_t seen = 0;
  if (!reader.begin_object()) return false;
  while (reader.next_member(first, key, escaped)) {
    if (escaped) {
      unescaped.clear();
      unescape_json(key, unescaped);
      key = unescaped;
    }
    std::uint64_t bit = 1;
    bool known = false;
    bool read = false;
    ferry_visit_members(out, [&](MemberText text, auto& member) {
      if (!known && text.name() == key) {
        known = true;
        seen |= bit;
        read = read_json(reader, member);
      }
      bit <<= 1;
    });
    if (!(known ? read : reader.skip_value())) return false;
  }
  if (!reader.ok()) return false;
  ferry_visit_members(out, [&](MemberText text, auto& member) {
    if ((seen & 1) == 0) {
      if constexpr (requires { member.reset(); member.has_value(); }) {
        member.reset();
      } else {
        reader.fail(text.missing);
      }
    }
    seen >>= 1;
  });
  return reader.ok();
}

template <class T>
T from_tree(const nlohmann::json& tree);

template <class T>
bool read_json(JsonReader& reader, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    return reader.read_bool(out);
  } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
    return reader.read_null();
  } else if constexpr (std::integral<T>) {
    return read_integer(reader, out);
  } else if constexpr (std::floating_point<T>) {
    std::string_view token;
    if (!reader.read_number(token)) return false;
    out = static_cast<T>(to_double(token));
    return true;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return reader.read_string(out);
  } else if constexpr (is_dom<T>) {
    return read_dom(reader, out);
  } else if constexpr (!is_direct<T>) {   // a member of a struct; throws what `from_json` throws
    nlohmann::json tree;
    if (!read_dom(reader, tree)) return false;
    out = from_tree<T>(tree);
    return true;
  } else if constexpr (Described<T>) {
    return read_object(reader, out);
  } else if constexpr (requires { typename T::mapped_type; }) {
    return read_map(reader, out);
  } else if constexpr (requires { out.has_value(); }) {
    if (reader.peek() == JsonReader::Type::null) {
      out.reset();
      return reader.read_null();
    }
    return read_json(reader, out.emplace());
  } else {
    return read_array(reader, out);
  }
}

}  // namespace ferry::detail
