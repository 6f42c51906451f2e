#pragma once
// Classes that protoc generated, as payloads. For who links Protobuf; core does not.

#include <concepts>
#include <limits>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <nlohmann/json.hpp>

#include "ferry/detail/codec.hpp"
#include "ferry/error.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry {

/// As they are on the wire where payloads are Protobuf's (`spi::Serializer::protobuf`: gRPC with a contract); elsewhere by
/// Protobuf's JSON mapping (https://protobuf.dev/programming-guides/json/), unknown members ignored: so that a handler moves
/// from one transport to another.
template <std::derived_from<google::protobuf::Message> T>
struct PayloadCodec<T> {
  static std::string_view type_name() { return T::descriptor()->full_name(); }
  /// Throws `SerializationError` for a message that lacks a required field.
  static void encode(const spi::Serializer& serializer, const T& value, std::string& out) {
    if (serializer.protobuf()) {
      if (!value.AppendToString(&out)) fail("it lacks " + value.InitializationErrorString());
      return;
    }
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(value, &text);
    if (!status.ok()) fail(status.ToString());
    if (serializer.json_text()) out += text;
    else serializer.encode(nlohmann::json::parse(text), out);
  }
  static T decode(const spi::Serializer& serializer, std::string_view payload) {
    if (!serializer.protobuf()) {
      if (serializer.json_text()) return from_json(payload);
      auto text = serializer.to_json_text(payload);
      if (!text) detail::throw_bad_payload(text.failure().detail);
      return from_json(*text);
    }
    T value;
    const bool fits = payload.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
    if (!fits || !value.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) fail("its bytes are not one");
    return value;
  }
  static T from_json(std::string_view text) {
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    T value;
    const auto status = google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, &value, options);
    if (!status.ok()) fail(status.ToString());
    return value;
  }

 private:
  [[noreturn]] static void fail(const std::string& why) {
    detail::throw_bad_payload("message " + T::descriptor()->full_name() + ": " + why);
  }
};

}  // namespace ferry
