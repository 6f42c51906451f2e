#pragma once
// What a message type of a .proto looks like, as far as reading and writing it needs. No Protobuf here.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace ferry::grpc {

/// How values are shown as JSON: proto-loader's options, of the same names.
struct LoaderOptions {
  bool keep_case = false;
  bool longs_as_text = false;
  bool enums_as_text = false;
  enum class Bytes : std::uint8_t { buffer, base64, array } bytes = Bytes::buffer;
  bool defaults = false;
  bool arrays = false;
  bool objects = false;
  bool oneofs = false;
};

enum class Kind : std::uint8_t {
  float64, float32, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64, boolean, string,
  bytes, enumeration, message, group,
};

struct Shape;

struct EnumShape {
  std::string full_name;
  std::map<std::int32_t, std::string> names;   // of several with one number, the first
  std::map<std::string, std::int32_t, std::less<>> numbers;
};

struct Field {
  std::uint32_t number = 0;
  Kind kind = Kind::int32;
  bool repeated = false;   // and not a map
  bool map = false;        // `message` is then its entry: 1 the key, 2 the value
  bool packed = false;
  bool required = false;
  int oneof = -1;          // of the shape's
  bool optional = false;   // said so: unset is not its default
  std::string name;        // as JSON has it
  std::string other_name;  // and as it may be given, too
  const Shape* message = nullptr;
  const EnumShape* enumeration = nullptr;
  nlohmann::json fallback;   // a single value's default, as JSON has it

  std::string_view kind_name() const noexcept;
};

struct Shape {
  std::string full_name;
  std::vector<Field> fields;          // by number
  std::vector<std::string> oneofs;    // their names, as JSON has them

  const Field* find(std::uint32_t number) const noexcept;
};

/// `str_case` → `strCase`, as protobufjs does.
std::string camel_case(std::string_view name);

}  // namespace ferry::grpc
