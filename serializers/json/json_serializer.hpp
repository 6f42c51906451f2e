#pragma once
// NestJS's envelopes as JSON text: the default serializer, and the only one that a NestJS peer understands unaided.

#include <string>
#include <string_view>

#include "ferry/spi/serializer.hpp"

namespace ferry::serializers {

/// Writes the bytes that NestJS writes and reads whatever NestJS reads, by its rules. Reading an envelope is one pass
/// that checks all of the text and allocates nothing; the payload stays text.
///
/// Two cases that the views cannot say in so many words:
/// - A foreign packet, one with neither `pattern` nor `data` (or no object at all), leaves a `RequestView` empty, and its
///   `id`, if any, is dropped. A transport that makes it an event of the channel takes the whole body as its payload.
/// - A reply without `response` that is not the last carries JavaScript's undefined: `has_value` with an empty `value`.
///
/// Threads: stateless; any.
class JsonSerializer : public spi::Serializer {
 public:
  std::string_view name() const noexcept override { return "json"; }
  bool json_text() const noexcept override { return true; }
  bool text() const noexcept override { return true; }

  void encode(const nlohmann::json& value, std::string& out) const override;
  Result<nlohmann::json> decode(std::string_view payload) const override;
  void encode_bytes(std::string_view bytes, std::string& out) const override;
  /// Takes a Node `Buffer` as JSON writes it, `{"type":"Buffer","data":[0,255]}`, or a string, whose UTF-8 it gives.
  Result<std::string> decode_bytes(std::string_view payload) const override;
  Result<std::string> to_json_text(std::string_view payload) const override;

  void write_request(const spi::RequestEnvelope& envelope, std::string& head, std::string& tail) const override;
  void write_reply(const spi::ReplyEnvelope& envelope, std::string& head, std::string& tail) const override;
  const char* read_request(std::string_view body, spi::RequestView& out) const override;
  const char* read_reply(std::string_view body, spi::ReplyView& out) const override;
  Headers read_headers(std::string_view raw) const override;
};

}  // namespace ferry::serializers
