#include "transports/grpc/shape.hpp"

#include <algorithm>
#include <array>

namespace ferry::grpc {

std::string_view Field::kind_name() const noexcept {
  constexpr std::array<std::string_view, 18> names{"double",  "float",    "int32",    "int64", "uint32", "uint64",
                                                   "sint32",  "sint64",   "fixed32",  "fixed64", "sfixed32", "sfixed64",
                                                   "bool",    "string",   "bytes",    "enum",  "message", "group"};
  return names[static_cast<std::size_t>(kind)];
}

const Field* Shape::find(std::uint32_t number) const noexcept {
  const auto found = std::lower_bound(fields.begin(), fields.end(), number,
                                      [](const Field& field, std::uint32_t wanted) { return field.number < wanted; });
  return found != fields.end() && found->number == number ? &*found : nullptr;
}

std::string camel_case(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool joint = i > 0 && name[i] == '_' && i + 1 < name.size() && name[i + 1] >= 'a' && name[i + 1] <= 'z';
    out += joint ? static_cast<char>(name[++i] - 'a' + 'A') : name[i];
  }
  return out;
}

}  // namespace ferry::grpc
