#include <bit>
#include <cmath>
#include <limits>

#include "ferry/detail/utf.hpp"
#include "transports/common/base64.hpp"
#include "transports/grpc/codec.hpp"
#include "transports/grpc/wire.hpp"

namespace ferry::grpc {
namespace {

using nlohmann::json;
constexpr int deepest = 100;   // messages in messages, as Protobuf itself reads

class Decoder {
 public:
  Decoder(const LoaderOptions& options, CodecFault& fault) : options_(options), fault_(fault) {}

  bool message(const Shape& shape, std::string_view bytes, json& out, int depth) {
    if (depth > deepest) return fail("messages in messages, too deep");
    if (!out.is_object()) out = json::object();
    wire::Reader reader(bytes);
    while (reader.next()) {
      const Field* field = shape.find(reader.number());
      if (field == nullptr) {
        reader.skip();
      } else if (!this->field(shape, *field, reader, out, depth)) {
        return reader.failed() && fault_.why.empty() ? fail("it is cut short, or no Protobuf") : within(field->name);
      }
    }
    if (reader.failed()) return fail("it is cut short, or no Protobuf");
    fill(shape, out);
    return true;
  }

 private:
  bool field(const Shape& shape, const Field& field, wire::Reader& reader, json& out, int depth) {
    if (field.map) return entry(field, reader, out[field.name], depth);
    if (field.repeated) {
      json& list = out[field.name];
      if (!list.is_array()) list = json::array();
      if (reader.type() == wire::Type::length && native_type(field) != wire::Type::length) return packed(field, reader, list);
      list.emplace_back();
      return single(field, reader, list.back(), depth);
    }
    if (field.oneof >= 0) {
      for (const Field& other : shape.fields) {
        if (other.oneof == field.oneof && other.number != field.number) out.erase(other.name);
      }
      if (options_.oneofs) out[shape.oneofs[static_cast<std::size_t>(field.oneof)]] = field.name;
    }
    return single(field, reader, out[field.name], depth);
  }

  bool entry(const Field& field, wire::Reader& reader, json& map, int depth) {
    if (!map.is_object()) map = json::object();
    std::string_view bytes;
    if (reader.type() != wire::Type::length || !reader.bytes(bytes)) return fail("a map's entry is no message");
    const Field& key_field = field.message->fields[0];
    const Field& value_field = field.message->fields[1];
    json key = key_field.fallback;
    json value = default_of(value_field);
    if (value_field.kind == Kind::message) {   // a value that is not there is an empty message
      value = json::object();
      fill(*value_field.message, value);
    }
    wire::Reader part(bytes);
    while (part.next()) {
      const bool known = part.number() == 1 || part.number() == 2;
      if (!known) part.skip();
      else if (!single(part.number() == 1 ? key_field : value_field, part, part.number() == 1 ? key : value, depth)) return false;
    }
    if (part.failed()) return fail("a map's entry is cut short");
    map[key.is_string() ? key.get<std::string>() : key.dump()] = std::move(value);
    return true;
  }

  bool packed(const Field& field, wire::Reader& reader, json& list) {
    std::string_view bytes;
    if (!reader.bytes(bytes)) return fail("it is cut short");
    wire::Reader part(bytes);
    while (!part.at_end() && !part.failed()) {
      std::uint64_t raw = 0;
      if (!number(native_type(field), part, raw)) return fail("packed values are cut short");
      list.push_back(scalar(field, raw));
    }
    return !part.failed();
  }

  bool single(const Field& field, wire::Reader& reader, json& out, int depth) {
    const wire::Type wanted = native_type(field);
    if (reader.type() != wanted) return fail("of another type than " + std::string(field.kind_name()));
    if (field.kind == Kind::group) return fail("groups are not supported");
    if (wanted != wire::Type::length) {
      std::uint64_t raw = 0;
      if (!number(wanted, reader, raw)) return fail("it is cut short");
      out = scalar(field, raw);
      return true;
    }
    std::string_view bytes;
    if (!reader.bytes(bytes)) return fail("it is cut short");
    if (field.kind == Kind::message) return message(*field.message, bytes, out, depth + 1);
    if (field.kind == Kind::bytes) return out = binary(bytes), true;
    if (!detail::is_valid_utf8(bytes)) return fail("a string that is no UTF-8");
    out = std::string(bytes);
    return true;
  }

  static wire::Type native_type(const Field& field) {
    switch (field.kind) {
      case Kind::float64:
      case Kind::fixed64:
      case Kind::sfixed64: return wire::Type::fixed64;
      case Kind::float32:
      case Kind::fixed32:
      case Kind::sfixed32: return wire::Type::fixed32;
      case Kind::string:
      case Kind::bytes:
      case Kind::message: return wire::Type::length;
      case Kind::group: return wire::Type::group_begin;
      default: return wire::Type::varint;
    }
  }

  static bool number(wire::Type type, wire::Reader& reader, std::uint64_t& out) {
    if (type == wire::Type::varint) return reader.varint(out);
    return type == wire::Type::fixed64 ? reader.fixed64(out) : reader.fixed32(out);
  }

  json scalar(const Field& field, std::uint64_t raw) const {
    const auto low = static_cast<std::uint32_t>(raw);
    switch (field.kind) {
      case Kind::float64: return std::bit_cast<double>(raw);
      case Kind::float32: return static_cast<double>(std::bit_cast<float>(low));
      case Kind::int32:
      case Kind::sfixed32: return static_cast<std::int32_t>(low);
      case Kind::uint32:
      case Kind::fixed32: return low;
      case Kind::sint32: return static_cast<std::int32_t>(wire::unzigzag(low));
      case Kind::int64:
      case Kind::sfixed64: return whole(static_cast<std::int64_t>(raw));
      case Kind::uint64:
      case Kind::fixed64: return whole(raw);
      case Kind::sint64: return whole(wire::unzigzag(raw));
      case Kind::boolean: return raw != 0;
      default: return enumerator(field, static_cast<std::int32_t>(low));
    }
  }

  template <class T>
  json whole(T value) const {
    return options_.longs_as_text ? json(std::to_string(value)) : json(value);
  }

  json enumerator(const Field& field, std::int32_t value) const {
    if (!options_.enums_as_text) return value;
    const auto found = field.enumeration->names.find(value);
    return found == field.enumeration->names.end() ? json(value) : json(found->second);
  }

  json binary(std::string_view bytes) const {
    if (options_.bytes == LoaderOptions::Bytes::base64) return transports::to_base64(bytes);
    json list = json::array();
    for (const char c : bytes) list.push_back(static_cast<std::uint8_t>(c));
    if (options_.bytes == LoaderOptions::Bytes::array) return list;
    return {{"type", "Buffer"}, {"data", std::move(list)}};
  }

  /// What proto-loader adds for fields that are not there.
  void fill(const Shape& shape, json& out) const {
    if (!options_.defaults && !options_.arrays && !options_.objects) return;
    for (const Field& field : shape.fields) {
      if (out.contains(field.name)) continue;
      if (field.repeated) {
        if (options_.arrays || options_.defaults) out[field.name] = json::array();
      } else if (field.map) {
        if (options_.objects || options_.defaults) out[field.name] = json::object();
      } else if (options_.defaults && field.oneof < 0 && !field.optional) {
        out[field.name] = field.fallback;
      }
    }
  }

  bool fail(std::string why) {
    if (fault_.why.empty()) fault_.why = std::move(why);
    return false;
  }
  bool within(const std::string& name) {
    fault_.path = fault_.path.empty() ? name : name + "." + fault_.path;
    return false;
  }

  const LoaderOptions& options_;
  CodecFault& fault_;
};

}  // namespace

std::string CodecFault::text(const Shape& shape) const {
  return shape.full_name + (path.empty() ? "" : "." + path) + ": " + why;
}

json default_of(const Field& field) {
  if (field.repeated) return json::array();
  if (field.map) return json::object();
  return field.fallback;
}

bool decode_message(const Shape& shape, const LoaderOptions& options, std::string_view wire, json& out, CodecFault& fault) {
  out = json::object();
  return Decoder(options, fault).message(shape, wire, out, 0);
}

}  // namespace ferry::grpc
