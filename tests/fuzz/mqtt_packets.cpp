// What an MQTT server sends, read as both versions have it.

#include <string>

#include "target.hpp"
#include "transports/mqtt/packet.hpp"
#include "transports/mqtt/properties.hpp"
#include "transports/mqtt/topic.hpp"

namespace ferry::fuzz {
namespace {

using namespace ferry::mqtt;

/// What was read of a PUBLISH, written again, is the same PUBLISH.
void check_publish(const Packet& packet, Version version) {
  const auto message = read_publish(packet, version);
  if (!message) return;
  for (const std::string_view part : {message->topic, message->payload, message->properties}) FUZZ_CHECK(lies_in(part, packet.body));
  FUZZ_CHECK(is_topic(message->topic));
  FUZZ_CHECK(are_properties(message->properties));
  static_cast<void>(user_properties(message->properties));
  std::string again;
  append_publish_head(again, version,
                      {message->topic, message->properties, message->id, message->qos, message->retain, message->duplicate},
                      message->payload.size());
  again += message->payload;
  Packet second;
  std::size_t size = 0;
  FUZZ_CHECK(next_packet(again, second, size) == Framing::whole && size == again.size());
  const auto read = read_publish(second, version);
  FUZZ_CHECK(read && read->topic == message->topic && read->payload == message->payload && read->properties == message->properties);
  FUZZ_CHECK(read->id == message->id && read->qos == message->qos && read->retain == message->retain);
}

void check(const Packet& packet, Version version) {
  check_publish(packet, version);
  static_cast<void>(read_connack(packet, version));
  if (const auto answer = read_acknowledgement(packet, version)) FUZZ_CHECK(answer->id != 0 && lies_in(answer->reason, packet.body));
  if (const auto codes = read_codes(packet, version)) FUZZ_CHECK(lies_in(codes->codes, packet.body));
  if (const auto farewell = read_disconnect(packet)) FUZZ_CHECK(lies_in(farewell->reason, packet.body));
}

}  // namespace

void run(std::string_view input) {
  const std::size_t half = input.size() / 2;
  if (is_filter(input.substr(0, half))) static_cast<void>(matches(split_shared(input.substr(0, half)).filter, input.substr(half)));
  while (!input.empty()) {
    Packet packet;
    std::size_t size = 0;
    const Framing framing = next_packet(input, packet, size);
    if (framing == Framing::partial) FUZZ_CHECK(size == 0 || size > input.size());
    if (framing != Framing::whole) return;
    FUZZ_CHECK(size >= 2 && size <= input.size() && lies_in(packet.body, input));
    for (const Version version : {Version::v3_1_1, Version::v5}) check(packet, version);
    input.remove_prefix(size);
  }
}

}  // namespace ferry::fuzz
