#pragma once
// A message as a broker hands it to a service, read by NestJS's rules: where it came from says what it is for.

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/spi/serializer.hpp"

namespace ferry::transports {

/// What a body is that the serializer cannot read.
enum class Unreadable : std::uint8_t {
  is_an_error,   ///< NATS
  is_text,       ///< Redis, MQTT, RabbitMQ: an event whose payload is that text
};

/// Fills `view` from `body`, where the envelope itself says what the message is for. A value that is no envelope (neither
/// pattern nor data, or falsy) is an event without a pattern, with all of it as its payload.
///
/// Returns null, or what is wrong with the body. The views are of `body` and `scratch`, which must outlive them.
const char* read_envelope(const spi::Serializer& serializer, std::string_view body, Unreadable unreadable,
                          spi::RequestView& view, std::string& scratch);

/// Fills `view` from `body`, which came on `route` (what was subscribed to: a channel, subject or topic).
///
/// The same, but the pattern is `route`, whatever the envelope says; the views are of it as well.
const char* read_broker_message(const spi::Serializer& serializer, std::string_view body, std::string_view route,
                                Unreadable unreadable, spi::RequestView& view, std::string& scratch);

}  // namespace ferry::transports
