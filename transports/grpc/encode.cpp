#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "ferry/detail/utf.hpp"
#include "transports/common/base64.hpp"
#include "transports/grpc/codec.hpp"
#include "transports/grpc/wire.hpp"

namespace ferry::grpc {
namespace {

using nlohmann::json;
constexpr int deepest_message = 100;

std::string shown(const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 60) + "..." : text;
}

/// A JSON number, text that is one, or a Long of JavaScript's.
template <class T>
bool to_whole(const json& value, T& out) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
    out = static_cast<T>(number);
    return true;
  }
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (std::is_unsigned_v<T> ? number < 0 : (number < static_cast<std::int64_t>(std::numeric_limits<T>::min()) ||
                                              number > static_cast<std::int64_t>(std::numeric_limits<T>::max()))) {
      return false;
    }
    out = static_cast<T>(number);
    return true;
  }
  if (value.is_number_float()) {
    const double number = value.get<double>();
    const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);   // the first that does not fit
    if (std::trunc(number) != number || number >= above || number < (std::is_unsigned_v<T> ? 0.0 : -above)) return false;
    out = static_cast<T>(number);
    return true;
  }
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  }
  if (value.is_object() && value.contains("low") && value.contains("high")) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (!to_whole(value["low"], low) || !to_whole(value["high"], high)) return false;
    const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32) | static_cast<std::uint32_t>(low);
    return to_whole(std::is_unsigned_v<T> ? json(bits) : json(static_cast<std::int64_t>(bits)), out);
  }
  return false;
}

bool to_real(const json& value, double& out) {
  if (value.is_number()) return out = value.get<double>(), true;
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text == "NaN") return out = std::numeric_limits<double>::quiet_NaN(), true;
  if (text == "Infinity") return out = std::numeric_limits<double>::infinity(), true;
  if (text == "-Infinity") return out = -std::numeric_limits<double>::infinity(), true;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

class Encoder {
 public:
  explicit Encoder(CodecFault& fault) : fault_(fault) {}

  bool message(const Shape& shape, const json& value, std::string& out, int depth) {
    if (!value.is_object()) return fail("expected an object, got " + shown(value));
    if (depth > deepest_message) return fail("messages in messages, too deep");
    for (const Field& field : shape.fields) {
      auto found = value.find(field.name);
      if (found == value.end()) found = value.find(field.other_name);
      if (found == value.end() || found->is_null()) {
        if (field.required) return fail("is required"), within(field.name);
        continue;
      }
      if (!this->field(field, *found, out, depth)) return within(field.name);
    }
    return true;
  }

 private:
  bool field(const Field& field, const json& value, std::string& out, int depth) {
    if (field.map) return map(field, value, out, depth);
    if (!field.repeated) return single(field, value, out, depth);
    if (!value.is_array()) return fail("expected an array, got " + shown(value));
    std::string packed;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const bool ok = field.packed ? scalar(field, value[i], packed) : single(field, value[i], out, depth);
      if (!ok) return element(i);
    }
    if (!packed.empty()) wire::append_bytes(out, field.number, packed);
    return true;
  }

  bool map(const Field& field, const json& value, std::string& out, int depth) {
    if (!value.is_object()) return fail("expected an object, got " + shown(value));
    const Field& key_field = field.message->fields[0];
    const Field& value_field = field.message->fields[1];
    for (const auto& [key, each] : value.items()) {
      const json key_value = key_field.kind == Kind::boolean && (key == "true" || key == "false") ? json(key == "true") : json(key);
      std::string entry;
      if (!single(key_field, key_value, entry, depth) || !single(value_field, each, entry, depth)) return within(key);
      wire::append_bytes(out, field.number, entry);
    }
    return true;
  }

  bool single(const Field& field, const json& value, std::string& out, int depth) {
    switch (field.kind) {
      case Kind::message: {
        std::string inner;
        if (!message(*field.message, value, inner, depth + 1)) return false;
        wire::append_bytes(out, field.number, inner);
        return true;
      }
      case Kind::string: {
        if (!value.is_string()) return fail("expected a string, got " + shown(value));
        const auto& text = value.get_ref<const std::string&>();
        if (!detail::is_valid_utf8(text)) return fail("a string that is no UTF-8");
        wire::append_bytes(out, field.number, text);
        return true;
      }
      case Kind::bytes: {
        std::string bytes;
        if (!to_bytes(value, bytes)) return fail("expected bytes: a Buffer, base64 text or an array, got " + shown(value));
        wire::append_bytes(out, field.number, bytes);
        return true;
      }
      case Kind::group: return fail("groups are not supported");
      default: break;
    }
    const auto type = field.kind == Kind::float64 || field.kind == Kind::fixed64 || field.kind == Kind::sfixed64 ? wire::Type::fixed64
                      : field.kind == Kind::float32 || field.kind == Kind::fixed32 || field.kind == Kind::sfixed32
                          ? wire::Type::fixed32
                          : wire::Type::varint;
    wire::append_tag(out, field.number, type);
    return scalar(field, value, out);
  }

  /// Without its tag.
  bool scalar(const Field& field, const json& value, std::string& out) {
    switch (field.kind) {
      case Kind::float64:
      case Kind::float32: return real(field, value, out);
      case Kind::int32: return whole<std::int32_t>(value, [&](auto n) { wire::append_varint(out, static_cast<std::uint64_t>(std::int64_t{n})); });
      case Kind::sint32: return whole<std::int32_t>(value, [&](auto n) { wire::append_varint(out, static_cast<std::uint32_t>(wire::zigzag(n))); });
      case Kind::sfixed32: return whole<std::int32_t>(value, [&](auto n) { wire::append_little_endian(out, static_cast<std::uint32_t>(n), 4); });
      case Kind::uint32: return whole<std::uint32_t>(value, [&](auto n) { wire::append_varint(out, n); });
      case Kind::fixed32: return whole<std::uint32_t>(value, [&](auto n) { wire::append_little_endian(out, n, 4); });
      case Kind::int64: return whole<std::int64_t>(value, [&](auto n) { wire::append_varint(out, static_cast<std::uint64_t>(n)); });
      case Kind::sint64: return whole<std::int64_t>(value, [&](auto n) { wire::append_varint(out, wire::zigzag(n)); });
      case Kind::sfixed64: return whole<std::int64_t>(value, [&](auto n) { wire::append_little_endian(out, static_cast<std::uint64_t>(n), 8); });
      case Kind::uint64: return whole<std::uint64_t>(value, [&](auto n) { wire::append_varint(out, n); });
      case Kind::fixed64: return whole<std::uint64_t>(value, [&](auto n) { wire::append_little_endian(out, n, 8); });
      case Kind::boolean:
        if (!value.is_boolean()) return fail("expected true or false, got " + shown(value));
        wire::append_varint(out, value.get<bool>() ? 1 : 0);
        return true;
      default: return enumerator(field, value, out);
    }
  }

  bool real(const Field& field, const json& value, std::string& out) {
    double number = 0;
    if (!to_real(value, number)) return fail("expected a number, got " + shown(value));
    if (field.kind == Kind::float64) wire::append_little_endian(out, std::bit_cast<std::uint64_t>(number), 8);
    else wire::append_little_endian(out, std::bit_cast<std::uint32_t>(static_cast<float>(number)), 4);
    return true;
  }

  template <class T, class F>
  bool whole(const json& value, F append) {
    T number{};
    if (!to_whole(value, number)) {
      return fail(std::string("expected an integer of ") + (std::is_unsigned_v<T> ? "unsigned " : "") +
                  std::to_string(8 * sizeof(T)) + " bits, got " + shown(value));
    }
    append(number);
    return true;
  }

  bool enumerator(const Field& field, const json& value, std::string& out) {
    std::int32_t number = 0;
    if (value.is_string()) {
      const auto found = field.enumeration->numbers.find(value.get_ref<const std::string&>());
      if (found == field.enumeration->numbers.end()) {
        return fail(shown(value) + " is no value of " + field.enumeration->full_name + ", which has" + names(*field.enumeration));
      }
      number = found->second;
    } else if (!to_whole(value, number)) {
      return fail("expected a value of " + field.enumeration->full_name + ", got " + shown(value));
    }
    wire::append_varint(out, static_cast<std::uint64_t>(std::int64_t{number}));
    return true;
  }

  static std::string names(const EnumShape& shape) {
    std::string all;
    for (const auto& [number, name] : shape.names) all += (all.empty() ? " " : ", ") + name;
    return all;
  }

  static bool to_bytes(const json& value, std::string& out) {
    if (value.is_string()) return transports::from_base64(value.get_ref<const std::string&>(), out);
    if (value.is_object()) return value.contains("data") && value["data"].is_array() && to_bytes(value["data"], out);
    if (!value.is_array()) return false;
    for (const json& each : value) {
      std::uint8_t byte = 0;
      if (!to_whole(each, byte)) return false;
      out += static_cast<char>(byte);
    }
    return true;
  }

  bool fail(std::string why) {
    fault_.why = std::move(why);
    return false;
  }
  bool within(const std::string& name) {
    const bool index = fault_.path.starts_with('[');
    fault_.path = fault_.path.empty() ? name : name + (index ? "" : ".") + fault_.path;
    return false;
  }
  bool element(std::size_t i) {
    fault_.path = "[" + std::to_string(i) + "]" + (fault_.path.empty() ? "" : ".") + fault_.path;
    return false;
  }

  CodecFault& fault_;
};

}  // namespace

bool encode_message(const Shape& shape, const json& value, std::string& out, CodecFault& fault) {
  return Encoder(fault).message(shape, value, out, 0);
}

}  // namespace ferry::grpc
