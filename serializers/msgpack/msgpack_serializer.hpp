#pragma once

#include "../common/binary_serializer.hpp"

namespace ferry::serializers {

/// MessagePack, https://github.com/msgpack/msgpack/blob/master/spec.md
struct Msgpack {
  static constexpr const char* name = "msgpack";
  static const char* read_head(Cursor& cursor, Head& head) noexcept;
  static void append_map(std::string& out, std::size_t pairs);
  static void append_text(std::string& out, std::string_view text);
  static void append_bytes(std::string& out, std::string_view bytes);
  static void append_true(std::string& out) { out += '\xC3'; }
  static void append_json(std::string& out, const nlohmann::json& value);
  static nlohmann::json parse(std::string_view item);
};

using MsgpackSerializer = BinarySerializer<Msgpack>;

}  // namespace ferry::serializers
