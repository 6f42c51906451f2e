#pragma once

#include "../common/binary_serializer.hpp"

namespace ferry::serializers {

/// CBOR, RFC 8949
struct Cbor {
  static constexpr const char* name = "cbor";
  static const char* read_head(Cursor& cursor, Head& head) noexcept;
  static void append_map(std::string& out, std::size_t pairs);
  static void append_text(std::string& out, std::string_view text);
  static void append_bytes(std::string& out, std::string_view bytes);
  static void append_true(std::string& out) { out += '\xF5'; }
  static void append_json(std::string& out, const nlohmann::json& value);
  static nlohmann::json parse(std::string_view item);
};

using CborSerializer = BinarySerializer<Cbor>;

}  // namespace ferry::serializers
