#include "ferry/payload.hpp"

#include <utility>

namespace ferry {

Payload Payload::view(const spi::DeliveryPtr& delivery) {
  Payload payload;
  payload.present_ = delivery->view().has_payload;
  payload.view_ = delivery->view().payload;
  payload.serializer_ = &delivery->serializer();
  payload.keep_ = delivery;
  return payload;
}

Payload Payload::owned(std::string bytes, const spi::Serializer& serializer) {
  Payload payload;
  payload.present_ = true;
  payload.owned_ = std::move(bytes);
  payload.serializer_ = &serializer;
  return payload;
}

Payload Payload::from_json(std::string text) {
  detail::JsonReader reader(text);
  if (!reader.skip_value() || !reader.at_end()) detail::throw_bad_payload(reader);
  Payload payload;
  payload.present_ = true;
  payload.owned_ = std::move(text);
  return payload;
}

std::string Payload::json() const {
  if (!present_) return "null";
  if (serializer_ == nullptr) return owned_;
  auto text = serializer_->to_json_text(bytes());
  if (!text) detail::throw_bad_payload(text.failure().detail);
  return std::move(*text);
}

namespace detail {

void append_payload(const spi::Serializer& serializer, const Payload& payload, std::string& out) {
  if (!payload.has_value()) throw_bad_payload("an empty ferry::Payload has no bytes to send");
  const spi::Serializer* source = payload.serializer();
  const bool same = source == nullptr ? serializer.json_text()
                                      : source == &serializer || source->name() == serializer.name();
  if (same) {
    out += payload.bytes();   // never parsed
  } else {
    encode(serializer, payload.as<nlohmann::json>(), out);
  }
}

void throw_bad_payload(std::string_view why) {
  throw SerializationError(errc::bad_payload, std::string("bad payload: ").append(why), Fate::not_sent);
}

void throw_bad_payload(const JsonReader& reader) {
  throw_bad_payload(std::string(reader.ok() ? "text behind the value" : reader.fault()) + " at byte " +
                    std::to_string(reader.offset()));
}

}  // namespace detail
}  // namespace ferry
