#pragma once
// What MQTT servers refuse: the return codes of 3.1.1 and the reason codes of 5, and what is no MQTT at all.

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "ferry/error.hpp"
#include "transports/mqtt/packet.hpp"

namespace ferry::mqtt {

/// The reason codes of MQTT 5, from 0x80 on failures; those from 0x100 on are ours.
enum class MqttError : std::uint16_t {
  no_matching_subscribers = 0x10,
  unspecified = 0x80,
  malformed_packet = 0x81,
  protocol_error = 0x82,
  implementation_specific = 0x83,
  unsupported_version = 0x84,
  bad_client_id = 0x85,
  bad_credentials = 0x86,
  not_authorized = 0x87,
  server_unavailable = 0x88,
  server_busy = 0x89,
  banned = 0x8a,
  shutting_down = 0x8b,
  bad_authentication_method = 0x8c,
  keep_alive_timeout = 0x8d,
  session_taken_over = 0x8e,
  bad_topic_filter = 0x8f,
  bad_topic_name = 0x90,
  packet_id_in_use = 0x91,
  packet_id_not_found = 0x92,
  receive_maximum_exceeded = 0x93,
  bad_topic_alias = 0x94,
  packet_too_large = 0x95,
  message_rate_too_high = 0x96,
  quota_exceeded = 0x97,
  administrative_action = 0x98,
  bad_payload_format = 0x99,
  retain_not_supported = 0x9a,
  qos_not_supported = 0x9b,
  use_another_server = 0x9c,
  server_moved = 0x9d,
  shared_not_supported = 0x9e,
  connection_rate_exceeded = 0x9f,
  maximum_connect_time = 0xa0,
  subscription_ids_not_supported = 0xa1,
  wildcards_not_supported = 0xa2,
  not_mqtt = 0x100,     ///< bytes that are no packet of a server
  silent,               ///< no answer to a ping
  subscription_refused, ///< 3.1.1 gives no reason
};

const std::error_category& mqtt_category() noexcept;
std::error_code make_error_code(MqttError value) noexcept;

/// Of a CONNACK's code.
MqttError connack_error(Version version, std::uint8_t code) noexcept;
/// "<what>: <what the code means> (<the server's words>); <advice>"
Failure refusal(std::string_view what, MqttError error, std::string_view words = {}, Fate fate = Fate::not_sent);

}  // namespace ferry::mqtt

template <>
struct std::is_error_code_enum<ferry::mqtt::MqttError> : std::true_type {};
