#pragma once
// A toy: JSON in which a string is in capitals. What arrives tells it from json.

#include <algorithm>
#include <string>
#include <string_view>

#include "serializers/json/json_serializer.hpp"

class UpperSerializer final : public ferry::spi::Serializer {
 public:
  std::string_view name() const noexcept override { return "upper"; }
  bool json_text() const noexcept override { return false; }   // so that values pass through `encode`
  bool text() const noexcept override { return true; }

  void encode(const nlohmann::json& value, std::string& out) const override {
    nlohmann::json changed = value;
    if (auto* text = changed.get_ptr<std::string*>()) std::transform(text->begin(), text->end(), text->begin(), upper);
    json_.encode(changed, out);
  }
  ferry::Result<nlohmann::json> decode(std::string_view payload) const override { return json_.decode(payload); }
  void encode_bytes(std::string_view bytes, std::string& out) const override { json_.encode_bytes(bytes, out); }
  ferry::Result<std::string> decode_bytes(std::string_view payload) const override {
    return json_.decode_bytes(payload);
  }
  ferry::Result<std::string> to_json_text(std::string_view payload) const override {
    return json_.to_json_text(payload);
  }

  void write_request(const ferry::spi::RequestEnvelope& envelope, std::string& head, std::string& tail) const override {
    json_.write_request(envelope, head, tail);
  }
  void write_reply(const ferry::spi::ReplyEnvelope& envelope, std::string& head, std::string& tail) const override {
    json_.write_reply(envelope, head, tail);
  }
  const char* read_request(std::string_view body, ferry::spi::RequestView& out) const override {
    return json_.read_request(body, out);
  }
  const char* read_reply(std::string_view body, ferry::spi::ReplyView& out) const override {
    return json_.read_reply(body, out);
  }
  ferry::Headers read_headers(std::string_view raw) const override { return json_.read_headers(raw); }

 private:
  static char upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

  ferry::serializers::JsonSerializer json_;
};
