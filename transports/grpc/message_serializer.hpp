#pragma once
// The payloads of a contract's method: messages as they are on the wire.

#include <string>
#include <string_view>

#include "ferry/spi/serializer.hpp"
#include "transports/grpc/shape.hpp"

namespace ferry::grpc {

/// A message, or the one field of it that stands for the whole.
struct PayloadType {
  const Shape* shape = nullptr;
  const Field* field = nullptr;
};

/// Values to and from the wire, with JSON in between only for values that are JSON. Where no field stands for a message,
/// classes that protoc generated are written and parsed as they are.
class MessageSerializer final : public spi::Serializer {
 public:
  enum class Side : std::uint8_t { client, service };

  /// `json`: of errors; it lives as long as the process.
  MessageSerializer(Side side, std::string_view path, PayloadType written, PayloadType read, const LoaderOptions& loader,
                    const spi::Serializer& json)
      : side_(side),
        name_(std::string(side == Side::client ? "protobuf, client of " : "protobuf, service of ").append(path)),
        written_(written),
        read_(read),
        loader_(loader),
        json_(json) {}

  /// Its own: a payload of another method is not of this one's type.
  std::string_view name() const noexcept override { return name_; }
  bool json_text() const noexcept override { return false; }
  bool text() const noexcept override { return false; }
  bool protobuf() const noexcept override { return written_.field == nullptr && read_.field == nullptr; }
  const spi::Serializer& errors() const noexcept override { return json_; }
  /// INTERNAL, as gRPC has it.
  nlohmann::json payload_error(std::string_view what) const override;

  /// Throw for a value that does not fit the message: a service what its caller is answered, a client `SerializationError`.
  void encode(const nlohmann::json& value, std::string& out) const override;
  /// Bytes are the message itself, or its field where that is of bytes.
  void encode_bytes(std::string_view bytes, std::string& out) const override;
  Result<nlohmann::json> decode(std::string_view payload) const override;
  Result<std::string> decode_bytes(std::string_view payload) const override;
  Result<std::string> to_json_text(std::string_view payload) const override;

  // gRPC has what other transports write into envelopes.
  void write_request(const spi::RequestEnvelope&, std::string&, std::string&) const override {}
  void write_reply(const spi::ReplyEnvelope&, std::string&, std::string&) const override {}
  const char* read_request(std::string_view, spi::RequestView&) const override { return "a contract has no envelopes"; }
  const char* read_reply(std::string_view, spi::ReplyView&) const override { return "a contract has no envelopes"; }
  Headers read_headers(std::string_view) const override { return {}; }

 private:
  [[noreturn]] void refuse(const std::string& fault) const;

  const Side side_;
  const std::string name_;
  const PayloadType written_;
  const PayloadType read_;
  const LoaderOptions& loader_;
  const spi::Serializer& json_;
};

}  // namespace ferry::grpc
