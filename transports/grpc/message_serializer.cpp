#include "transports/grpc/message_serializer.hpp"

#include "ferry/error.hpp"
#include "transports/grpc/codec.hpp"
#include "transports/grpc/error.hpp"

namespace ferry::grpc {

using nlohmann::json;

void MessageSerializer::refuse(const std::string& fault) const {
  if (side_ == Side::client) throw SerializationError(Failure(errc::bad_payload, fault, Fate::not_sent));
  // grpc-js's words.
  throw RpcError(json{{"code", static_cast<int>(Code::internal)}, {"message", "Error serializing response: " + fault}});
}

json MessageSerializer::payload_error(std::string_view what) const {
  return {{"code", static_cast<int>(Code::internal)}, {"message", what}};
}

void MessageSerializer::encode(const json& value, std::string& out) const {
  static const json empty = json::object();
  CodecFault fault;
  const bool good = written_.field == nullptr
                        ? encode_message(*written_.shape, value.is_null() ? empty : value, out, fault)
                        : encode_message(*written_.shape, json{{written_.field->name, value}}, out, fault);
  if (!good) refuse(fault.text(*written_.shape));
}

void MessageSerializer::encode_bytes(std::string_view bytes, std::string& out) const {
  if (written_.field == nullptr) {
    out.append(bytes);
    return;
  }
  json list = json::array();
  for (const char c : bytes) list.push_back(static_cast<std::uint8_t>(c));
  encode(json{{"type", "Buffer"}, {"data", std::move(list)}}, out);
}

Result<json> MessageSerializer::decode(std::string_view payload) const {
  json message;
  CodecFault fault;
  if (!decode_message(*read_.shape, loader_, payload, message, fault)) {
    return Failure(errc::bad_payload, "no such message: " + fault.text(*read_.shape));
  }
  if (read_.field == nullptr) return message;
  const auto found = message.find(read_.field->name);
  return found == message.end() ? default_of(*read_.field) : std::move(*found);
}

Result<std::string> MessageSerializer::decode_bytes(std::string_view payload) const {
  if (read_.field == nullptr) return std::string(payload);
  const Result<std::string> text = to_json_text(payload);
  return text ? json_.decode_bytes(*text) : text;
}

Result<std::string> MessageSerializer::to_json_text(std::string_view payload) const {
  Result<json> value = decode(payload);
  if (!value) return value.failure();
  return value->dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace ferry::grpc
