// Payloads to C++ types: straight from JSON text, against nlohmann's tree, and by way of msgpack and cbor. And back.

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/codec.hpp"
#include "ferry/detail/utf.hpp"
#include "json_reference.hpp"
#include "serializers/cbor/cbor_serializer.hpp"
#include "serializers/json/json_serializer.hpp"
#include "serializers/msgpack/msgpack_serializer.hpp"
#include "target.hpp"

namespace ferry::fuzz {

struct User {
  std::string name;
  std::optional<double> score;
  std::vector<std::string> tags;
  bool operator==(const User&) const = default;
};

void from_json(const nlohmann::json& json, User& user) {
  json.at("name").get_to(user.name);
  if (json.contains("score")) user.score = json.at("score").get<double>();
  if (json.contains("tags")) json.at("tags").get_to(user.tags);
}
void to_json(nlohmann::json& json, const User& user) {
  json = {{"name", user.name}, {"tags", user.tags}};
  if (user.score) json["score"] = *user.score;
}

namespace {

using nlohmann::json;

const serializers::JsonSerializer json_serializer;
const serializers::MsgpackSerializer msgpack;
const serializers::CborSerializer cbor;

template <class T>
std::optional<T> decode(const spi::Serializer& serializer, std::string_view payload) {
  try {
    return detail::decode<T>(serializer, payload);
  } catch (const SerializationError&) {
    return std::nullopt;
  }
}

/// As decode, and where there is nothing to throw for, without throwing.
template <class T>
std::optional<T> decode_json(std::string_view text) {
  if constexpr (detail::is_direct<T> || detail::is_dom<T>) {
    detail::JsonReader reader(text);
    T out{};
    if (detail::read_json(reader, out) && reader.at_end()) return out;
    if constexpr (detail::reads_members<T>()) {
      return decode<T>(json_serializer, text);   // which looks again: a member may be there twice
    } else {
      return std::nullopt;
    }
  } else {
    return decode<T>(json_serializer, text);
  }
}

/// What ferry promises for each type, said with nlohmann's tree.
template <class T>
bool expect(const json& tree, T& out) {
  if constexpr (std::is_same_v<T, json>) {
    return out = tree, true;
  } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
    return tree.is_null();
  } else if constexpr (std::is_same_v<T, bool>) {
    return tree.is_boolean() && (out = tree.get<bool>(), true);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return tree.is_string() && (out = tree.get<std::string>(), true);
  } else if constexpr (std::floating_point<T>) {
    return tree.is_number() && (out = static_cast<T>(tree.get<double>()), true);
  } else if constexpr (std::integral<T>) {
    using Limits = std::numeric_limits<T>;
    if (tree.is_number_float()) {   // 7.0 and 7e0 are integers too
      const double value = tree.get<double>();
      const bool fits = value >= static_cast<double>(Limits::min()) && value < std::ldexp(1.0, Limits::digits);
      return fits && value == std::floor(value) && (out = static_cast<T>(value), true);
    }
    if (!tree.is_number()) return false;
    const bool fits = tree.is_number_unsigned() ? std::in_range<T>(tree.get<std::uint64_t>())
                                                : std::in_range<T>(tree.get<std::int64_t>());
    return fits && (out = tree.get<T>(), true);
  } else if constexpr (requires { typename T::mapped_type; }) {
    if (!tree.is_object()) return false;
    for (const auto& [key, value] : tree.items()) {
      if (!expect(value, out[key])) return false;
    }
    return true;
  } else if constexpr (requires { out.has_value(); }) {
    return tree.is_null() || expect(tree, out.emplace());
  } else if constexpr (requires { out.push_back({}); }) {
    if (!tree.is_array()) return false;
    for (const json& element : tree) {
      typename T::value_type value{};
      if (!expect(element, value)) return false;
      out.push_back(std::move(value));
    }
    return true;
  } else {
    if (!tree.is_array() || tree.size() != out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!expect(tree[i], out[i])) return false;
    }
    return true;
  }
}

template <>
bool expect(const json& tree, User& out) {
  try {
    out = tree.get<User>();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

template <class T>
std::optional<T> expected(const json& tree) {
  T out{};
  return expect(tree, out) ? std::optional<T>(std::move(out)) : std::nullopt;
}

template <class T>
void check_written(const spi::Serializer& serializer, const T& value) {
  if constexpr (std::floating_point<T>) {
    if (!std::isfinite(value)) return;   // a float of 1e300, which JSON writes as null
  }
  std::string bytes;
  detail::encode(serializer, value, bytes);
  const std::optional<T> read = decode<T>(serializer, bytes);
  FUZZ_CHECK(read.has_value() && *read == value);
}

template <class T>
void check_type(std::string_view text, const json* tree) {
  const std::optional<T> value = decode_json<T>(text);
  FUZZ_CHECK(!value || detail::is_json(text));
  if (tree == nullptr) return;
  FUZZ_CHECK(value == expected<T>(*tree));
  if (!value && hash_of(text) % 8 != 0) return;   // a refusal throws, which takes its time
  for (const spi::Serializer* other : {static_cast<const spi::Serializer*>(&msgpack), static_cast<const spi::Serializer*>(&cbor)}) {
    std::string bytes;
    other->encode(*tree, bytes);
    FUZZ_CHECK(decode<T>(*other, bytes) == value);
    if (value) check_written(*other, *value);
  }
  if (value) check_written(json_serializer, *value);
}

/// Ours is the same in every locale, and takes no terminated string.
void check_number(std::string_view text) {
  detail::JsonReader reader(text);
  std::string_view token;
  if (!reader.read_number(token)) return;
  const double ours = detail::to_double(token);
  const double libc = std::strtod(std::string(token).c_str(), nullptr);
  FUZZ_CHECK(std::bit_cast<std::uint64_t>(ours) == std::bit_cast<std::uint64_t>(libc));
}

/// Any number there is reads back as it was; -0 comes back as 0.
void check_written_number(std::string_view input) {
  double value = 0;
  if (input.size() < sizeof value) return;
  std::memcpy(&value, input.data(), sizeof value);
  if (!std::isfinite(value)) return;
  std::string text;
  detail::append_json_number(text, value);
  FUZZ_CHECK(detail::is_json(text) && detail::to_double(text) == value);
  check_written(json_serializer, value);
  check_written(json_serializer, std::bit_cast<std::int64_t>(value));
}

/// A tree is written as it is read; writing what was written changes nothing.
void check_tree(std::string_view input) {
  const std::string text = detail::replace_invalid_utf8(input);   // which would change the order of keys
  const std::optional<json> tree = decode<json>(json_serializer, text);
  FUZZ_CHECK(tree.has_value() == detail::is_json(text));
  if (!tree) return;
  std::string once;
  detail::write_dom(once, *tree);
  const std::optional<json> again = decode<json>(json_serializer, once);
  FUZZ_CHECK(again.has_value());
  std::string twice;
  detail::write_dom(twice, *again);
  FUZZ_CHECK(once == twice);
}

void check_bytes(std::string_view input) {
  for (const spi::Serializer* each : {static_cast<const spi::Serializer*>(&json_serializer),
                                      static_cast<const spi::Serializer*>(&msgpack), static_cast<const spi::Serializer*>(&cbor)}) {
    static_cast<void>(each->decode_bytes(input));
    std::string encoded;
    each->encode_bytes(input, encoded);
    const auto decoded = each->decode_bytes(encoded);
    FUZZ_CHECK(decoded && *decoded == input);
  }
}

}  // namespace

void run(std::string_view input) {
  const json tree = JsonReference::parse(input);
  const bool strict = !tree.is_discarded() && JsonReference(input).valid();
  const json* reference = strict ? &tree : nullptr;
  FUZZ_CHECK(!strict || detail::is_json(input));
  check_type<bool>(input, reference);
  check_type<int>(input, reference);
  check_type<std::uint8_t>(input, reference);
  check_type<std::int64_t>(input, reference);
  check_type<std::uint64_t>(input, reference);
  check_type<double>(input, reference);
  check_type<float>(input, reference);
  check_type<std::nullptr_t>(input, reference);
  check_type<std::string>(input, reference);
  check_type<std::vector<double>>(input, reference);
  check_type<std::vector<std::string>>(input, reference);
  check_type<std::vector<bool>>(input, reference);
  check_type<std::vector<std::vector<int>>>(input, reference);
  check_type<std::vector<std::optional<int>>>(input, reference);
  check_type<std::array<int, 3>>(input, reference);
  check_type<std::map<std::string, std::string>>(input, reference);
  check_type<std::map<std::string, std::vector<int>>>(input, reference);
  check_type<std::optional<int>>(input, reference);
  check_type<std::optional<std::map<std::string, double>>>(input, reference);
  check_type<json>(input, reference);
  check_type<User>(input, reference);
  check_number(input);
  check_written_number(input);
  check_tree(input);
  check_bytes(input);
}

}  // namespace ferry::fuzz
