#pragma once

#include <string>
#include <string_view>

#include "ferry/spi/serializer.hpp"

namespace ferry::kafka {

/// Another serializer, which also reads numbers and booleans that came as text.
class TextScalars final : public spi::Serializer {
 public:
  explicit TextScalars(const spi::Serializer& serializer) : serializer_(serializer) {}

  std::string_view name() const noexcept override { return serializer_.name(); }
  bool json_text() const noexcept override { return serializer_.json_text(); }
  bool text() const noexcept override { return serializer_.text(); }
  bool text_scalars() const noexcept override { return true; }

  void encode(const nlohmann::json& value, std::string& out) const override { serializer_.encode(value, out); }
  Result<nlohmann::json> decode(std::string_view payload) const override { return serializer_.decode(payload); }
  void encode_bytes(std::string_view bytes, std::string& out) const override { serializer_.encode_bytes(bytes, out); }
  Result<std::string> decode_bytes(std::string_view payload) const override { return serializer_.decode_bytes(payload); }
  Result<std::string> to_json_text(std::string_view payload) const override { return serializer_.to_json_text(payload); }

  void write_request(const spi::RequestEnvelope& envelope, std::string& head, std::string& tail) const override {
    serializer_.write_request(envelope, head, tail);
  }
  void write_reply(const spi::ReplyEnvelope& envelope, std::string& head, std::string& tail) const override {
    serializer_.write_reply(envelope, head, tail);
  }
  const char* read_request(std::string_view body, spi::RequestView& out) const override {
    return serializer_.read_request(body, out);
  }
  const char* read_reply(std::string_view body, spi::ReplyView& out) const override { return serializer_.read_reply(body, out); }
  Headers read_headers(std::string_view raw) const override { return serializer_.read_headers(raw); }

 private:
  const spi::Serializer& serializer_;
};

}  // namespace ferry::kafka
