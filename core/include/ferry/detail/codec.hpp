#pragma once
// C++ values to and from payload bytes, whatever the serializer.

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"
#include "ferry/error.hpp"
#include "ferry/payload.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry {

/// How values of a type that has a wire format of its own become payloads: specialised where such types are known
/// (`ferry/protobuf.hpp`), with
///   static void encode(const spi::Serializer&, const T&, std::string& out);        // appends
///   static T decode(const spi::Serializer&, std::string_view payload);
///   static T from_json(std::string_view text);
/// which throw `SerializationError`; and, if formats know its type by a name,
///   static std::string_view type_name();
template <class T>
struct PayloadCodec {};

}  // namespace ferry

namespace ferry::detail {

template <class T>
concept HasCodec = requires(const spi::Serializer& serializer, std::string_view payload) {
  PayloadCodec<T>::decode(serializer, payload);
};

/// Stands for "no payload" where a type is needed.
struct Nothing {};

/// The name that formats know the type by; empty: they know none.
template <class T>
std::string_view payload_type() {
  if constexpr (requires { PayloadCodec<T>::type_name(); }) {
    return PayloadCodec<T>::type_name();
  } else {
    return {};
  }
}

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

/// What is read and written directly as a JSON object, or as an array.
template <class T>
concept DirectMap = is_direct<T> && requires { typename T::mapped_type; };
template <class T>
concept DirectList = is_direct<T> && requires { typename T::value_type; } && !DirectMap<T> && !is_optional<T> &&
                     !std::convertible_to<const T&, std::string_view>;

void append_payload(const spi::Serializer& serializer, const Payload& payload, std::string& out);
[[noreturn]] void throw_bad_payload(std::string_view why);
[[noreturn]] void throw_bad_payload(const JsonReader& reader);

/// A service has received what it cannot decode: the doing of its caller, who may be told.
class RefusedPayload final : public SerializationError { using SerializationError::SerializationError; };
template <class F>
auto decode_received(const F& decode) {
  try {
    return decode();
  } catch (const SerializationError& error) {
    throw RefusedPayload(error.failure());
  }
}

/// Everything that `write_json` takes: nlohmann alone knows no std::optional.
template <class T>
nlohmann::json to_tree(const T& value) {
  if constexpr (is_optional<T>) {
    return value ? to_tree(*value) : nlohmann::json();
  } else if constexpr (Described<T>) {
    nlohmann::json tree = nlohmann::json::object();
    ferry_visit_members(value, [&](MemberText text, const auto& member) { tree[std::string(text.name())] = to_tree(member); });
    return tree;
  } else if constexpr (DirectMap<T>) {
    nlohmann::json tree = nlohmann::json::object();
    for (const auto& [key, member] : value) tree[key] = to_tree(member);
    return tree;
  } else if constexpr (DirectList<T>) {
    nlohmann::json tree = nlohmann::json::array();
    for (const auto& element : value) tree.push_back(to_tree<typename T::value_type>(element));
    return tree;
  } else {
    return value;
  }
}

/// Appends `value` in the serializer's format. Throws `SerializationError` if it cannot be encoded.
template <class T>
void encode(const spi::Serializer& serializer, const T& value, std::string& out) {
  using U = std::remove_cvref_t<T>;
  if constexpr (std::is_same_v<U, Payload>) {
    append_payload(serializer, value, out);
  } else if constexpr (std::is_same_v<U, Bytes>) {
    serializer.encode_bytes(value.view(), out);
  } else if constexpr (HasCodec<U>) {
    PayloadCodec<U>::encode(serializer, value, out);
  } else {
    if constexpr (!is_direct<std::decay_t<T>> && !is_dom<U> && !std::is_convertible_v<const U&, std::string_view>) {
      static_assert(std::is_constructible_v<nlohmann::json, const U&>,
                    "ferry: this payload type has no to_json: use FERRY_DEFINE_TYPE, NLOHMANN_DEFINE_TYPE_INTRUSIVE, a to_json "
                    "function, ferry::Bytes or ferry::Payload");
    }
    try {
      if (serializer.json_text()) {
        write_json(out, value);
      } else if constexpr (std::is_same_v<U, nlohmann::json>) {
        serializer.encode(value, out);
      } else {
        serializer.encode(to_tree<U>(value), out);
      }
    } catch (const nlohmann::json::exception& error) {
      throw_bad_payload(error.what());
    }
  }
}

/// As strict as the direct way from JSON text: nlohmann would cut fractions off, wrap what does not fit, take true for 1
/// and leave elements out.
template <class T>
T from_tree(const nlohmann::json& tree) {
  if constexpr (is_optional<T>) {
    if (tree.is_null()) return std::nullopt;
    return from_tree<typename T::value_type>(tree);
  } else if constexpr (std::integral<T> && !std::is_same_v<T, bool>) {
    T out{};
    if (tree.is_number_float()) {   // whose text would not be all of it from 2^53 on
      if (const char* fault = to_integer(tree.get<double>(), out)) throw_bad_payload(fault);
      return out;
    }
    std::string text;
    write_dom(text, tree);
    JsonReader reader(text);
    if (!read_json(reader, out)) throw_bad_payload(reader);
    return out;
  } else if constexpr (std::floating_point<T>) {
    if (!tree.is_number()) throw_bad_payload("expected a number");
    return tree.get<T>();
  } else if constexpr (Described<T>) {
    if (!tree.is_object()) throw_bad_payload("expected an object");
    T out{};
    ferry_visit_members(out, [&](MemberText text, auto& member) {
      using Member = std::remove_reference_t<decltype(member)>;
      const auto found = tree.find(std::string(text.name()));
      if (found != tree.end()) {
        member = from_tree<Member>(*found);
      } else if constexpr (!is_optional<Member>) {
        throw_bad_payload(text.missing);
      }
    });
    return out;
  } else if constexpr (DirectMap<T>) {
    if (!tree.is_object()) throw_bad_payload("expected an object");
    T out;
    for (const auto& [key, member] : tree.items()) out.emplace(key, from_tree<typename T::mapped_type>(member));
    return out;
  } else if constexpr (DirectList<T>) {
    if (!tree.is_array()) throw_bad_payload("expected an array");
    T out{};
    if constexpr (requires { out.push_back(from_tree<typename T::value_type>(tree)); }) {
      for (const nlohmann::json& element : tree) out.push_back(from_tree<typename T::value_type>(element));
    } else {
      if (tree.size() != out.size()) throw_bad_payload("expected an array of " + std::to_string(out.size()));
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = from_tree<typename T::value_type>(tree[i]);
    }
    return out;
  } else {
    return tree.get<T>();
  }
}

/// A value of such a type is read from the members of objects.
template <class T>
constexpr bool reads_members() {
  if constexpr (Described<T> || DirectMap<T>) {
    return true;
  } else if constexpr (is_optional<T> || DirectList<T>) {
    return reads_members<typename T::value_type>();
  } else {
    return false;
  }
}

template <class T>
T decode_json(std::string_view text) {
  JsonReader reader(text);
  if constexpr (is_direct<T> || is_dom<T>) {
    T out{};
    if (read_json(reader, out) && reader.at_end()) return out;
    if constexpr (!is_dom<T> && reads_members<T>()) {
      // Of a member that is there twice, JSON.parse takes the last one: the one before may be of any type.
      nlohmann::json tree;
      JsonReader again(text);
      if (read_dom(again, tree) && again.at_end()) {
        try {
          return from_tree<T>(tree);
        } catch (const SerializationError&) {   // the reader's words say where
        } catch (const nlohmann::json::exception&) {}
      }
    }
    throw_bad_payload(reader);
  } else {
    nlohmann::json tree;
    if (!read_dom(reader, tree) || !reader.at_end()) throw_bad_payload(reader);
    return from_tree<T>(tree);
  }
}

/// What a string says, taken as JSON text itself: of a peer that sends 5 as "5". Empty if it is no T either.
template <class T>
std::optional<T> decode_text_scalar(std::string_view payload) {
  std::string text;
  JsonReader reader(payload);
  if (reader.peek() != JsonReader::Type::string || !reader.read_string(text) || !reader.at_end()) return std::nullopt;
  try {
    return decode_json<T>(text);
  } catch (const SerializationError&) {   // the words for the payload as it came say more
    return std::nullopt;
  }
}

template <class T>
T decode_json_payload(const spi::Serializer& serializer, std::string_view payload) {
  if constexpr (is_dom<T> || std::is_convertible_v<const T&, std::string_view>) {
    return decode_json<T>(payload);   // any text is one
  } else {
    if (!serializer.text_scalars()) return decode_json<T>(payload);
    try {
      return decode_json<T>(payload);
    } catch (const SerializationError&) {
      if (auto value = decode_text_scalar<T>(payload)) return std::move(*value);
      throw;
    }
  }
}

/// What a payload that is not there decodes to: an empty optional, JSON null, an empty `Payload`. Others refuse.
template <class T>
T decode_missing() {
  if constexpr (is_optional<T> || is_dom<T> || std::is_same_v<T, Payload> || std::is_same_v<T, std::nullptr_t>) {
    return T();
  } else {
    throw_bad_payload("there is no payload; take std::optional or ferry::Payload where it may be missing");
  }
}

/// The value of a payload. Throws `SerializationError` if it is not of type `T`.
template <class T>
T decode(const spi::Serializer& serializer, std::string_view bytes) {
  if constexpr (std::is_same_v<T, Payload>) {
    return Payload::owned(std::string(bytes), serializer);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    auto data = serializer.decode_bytes(bytes);
    if (!data) throw_bad_payload(data.failure().detail);
    return Bytes(std::move(*data));
  } else if constexpr (HasCodec<T>) {
    return PayloadCodec<T>::decode(serializer, bytes);
  } else {
    try {
      if (serializer.json_text()) return decode_json_payload<T>(serializer, bytes);
      auto tree = serializer.decode(bytes);
      if (!tree) throw_bad_payload(tree.failure().detail);
      return from_tree<T>(*tree);
    } catch (const nlohmann::json::exception& error) {
      throw_bad_payload(error.what());
    }
  }
}

}  // namespace ferry::detail

namespace ferry {

template <class T>
T Payload::as() const {
  if (keep_) return detail::decode_received([this] { return decoded<T>(); });
  return decoded<T>();
}

template <class T>
T Payload::decoded() const {
  if (!present_) return detail::decode_missing<T>();
  if (serializer_ != nullptr) return detail::decode<T>(*serializer_, bytes());
  if constexpr (std::is_same_v<T, Payload>) {
    return *this;
  } else if constexpr (std::is_same_v<T, Bytes>) {
    detail::throw_bad_payload("a payload made from JSON text has no bytes");
  } else if constexpr (detail::HasCodec<T>) {
    return PayloadCodec<T>::from_json(bytes());
  } else {
    try {
      return detail::decode_json<T>(bytes());
    } catch (const nlohmann::json::exception& error) {
      detail::throw_bad_payload(error.what());
    }
  }
}

}  // namespace ferry
