#pragma once
// Messages between the wire and JSON, by their shape, as proto-loader shows them to NestJS.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "transports/grpc/shape.hpp"

namespace ferry::grpc {

/// What is wrong with a message, and where: "powers[2].level: expected an integer, got \"x\"".
struct CodecFault {
  std::string path;
  std::string why;
  std::string text(const Shape& shape) const;
};

/// Reads a message into `out`, an object. False with `fault` for bytes that are no such message.
bool decode_message(const Shape& shape, const LoaderOptions& options, std::string_view wire, nlohmann::json& out,
                    CodecFault& fault);
/// Appends a message. Members that the message does not have are left out, as are those that are null.
bool encode_message(const Shape& shape, const nlohmann::json& value, std::string& out, CodecFault& fault);

/// What stands for a field that is not there: its default, [] or {}.
nlohmann::json default_of(const Field& field);

}  // namespace ferry::grpc
