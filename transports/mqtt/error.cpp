#include "transports/mqtt/error.hpp"

#include <algorithm>
#include <array>

#include "ferry/detail/utf.hpp"

namespace ferry::mqtt {
namespace {

constexpr std::size_t longest_quote = 512;

struct Meaning {
  MqttError error;
  errc condition;
  std::string_view text;
  std::string_view advice = {};
};

using enum MqttError;

constexpr std::array meanings{
    Meaning{no_matching_subscribers, errc::no_handler, "nobody is subscribed to the topic"},
    Meaning{unspecified, errc::transport_failure, "the server refused it without a reason",
            "its log may say why: often an access control list"},
    Meaning{malformed_packet, errc::bad_message, "the server could not read a packet"},
    Meaning{protocol_error, errc::bad_message, "the server saw a protocol error"},
    Meaning{implementation_specific, errc::transport_failure, "the server cannot do it"},
    Meaning{unsupported_version, errc::unsupported, "the server does not speak this version of MQTT",
            "try another protocolVersion (4 or 5)"},
    Meaning{bad_client_id, errc::not_connected, "the server does not accept the client id", "choose another clientId"},
    Meaning{bad_credentials, errc::not_connected, "the server did not accept the credentials",
            "check username and password in the options"},
    Meaning{not_authorized, errc::transport_failure, "the server does not permit this user to do that",
            "allow it in the server's access control list"},
    Meaning{server_unavailable, errc::not_connected, "the server is not available"},
    Meaning{server_busy, errc::not_connected, "the server is busy"},
    Meaning{banned, errc::not_connected, "the server has banned this client"},
    Meaning{shutting_down, errc::connection_lost, "the server is shutting down"},
    Meaning{bad_authentication_method, errc::unsupported, "the server wants another way of authentication"},
    Meaning{keep_alive_timeout, errc::connection_lost, "the server heard nothing for too long"},
    Meaning{session_taken_over, errc::connection_lost, "another client connected with the same client id",
            "give every client and every instance of a service a clientId of its own"},
    Meaning{bad_topic_filter, errc::bad_pattern, "the server does not accept the topic filter"},
    Meaning{bad_topic_name, errc::bad_pattern, "the server does not accept the topic"},
    Meaning{packet_id_in_use, errc::transport_failure, "the packet id is in use"},
    Meaning{packet_id_not_found, errc::transport_failure, "the server does not know the packet id"},
    Meaning{receive_maximum_exceeded, errc::overloaded, "more messages at once than the server accepts"},
    Meaning{bad_topic_alias, errc::bad_message, "the topic alias is not valid"},
    Meaning{packet_too_large, errc::bad_payload, "the packet is larger than the server accepts", "send less at once"},
    Meaning{message_rate_too_high, errc::overloaded, "more messages than the server accepts"},
    Meaning{quota_exceeded, errc::overloaded, "a quota of the server is exceeded"},
    Meaning{administrative_action, errc::connection_lost, "the connection was ended by an administrator"},
    Meaning{bad_payload_format, errc::bad_payload, "the payload is not what its properties say"},
    Meaning{retain_not_supported, errc::unsupported, "the server keeps no retained messages"},
    Meaning{qos_not_supported, errc::unsupported, "the server does not support this QoS"},
    Meaning{use_another_server, errc::not_connected, "the server asks to use another one"},
    Meaning{server_moved, errc::not_connected, "the server has moved"},
    Meaning{shared_not_supported, errc::unsupported, "the server has no shared subscriptions"},
    Meaning{connection_rate_exceeded, errc::not_connected, "more connections than the server accepts"},
    Meaning{maximum_connect_time, errc::connection_lost, "the connection has lasted as long as the server allows"},
    Meaning{subscription_ids_not_supported, errc::unsupported, "the server has no subscription identifiers"},
    Meaning{wildcards_not_supported, errc::unsupported, "the server has no wildcards"},
    Meaning{not_mqtt, errc::bad_message, "the server does not speak MQTT as it should"},
    Meaning{silent, errc::connection_lost, "the server does not answer"},
    Meaning{subscription_refused, errc::transport_failure, "the server refused the subscription",
            "its access control list may not allow it"},
};

const Meaning* meaning_of(MqttError error) noexcept {
  const auto found = std::find_if(meanings.begin(), meanings.end(), [error](const Meaning& m) { return m.error == error; });
  return found == meanings.end() ? nullptr : &*found;
}

class MqttCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.mqtt"; }
  std::string message(int value) const override {
    const Meaning* meaning = meaning_of(static_cast<MqttError>(value));
    return meaning != nullptr ? std::string(meaning->text) : "MQTT reason code " + std::to_string(value);
  }
  std::error_condition default_error_condition(int value) const noexcept override {
    const Meaning* meaning = meaning_of(static_cast<MqttError>(value));
    return meaning != nullptr ? meaning->condition : errc::transport_failure;
  }
};

}  // namespace

const std::error_category& mqtt_category() noexcept {
  static const MqttCategory& category = *new MqttCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_error_code(MqttError value) noexcept { return {static_cast<int>(value), mqtt_category()}; }

MqttError connack_error(Version version, std::uint8_t code) noexcept {
  if (version == Version::v5 && code >= 0x80) return static_cast<MqttError>(code);
  switch (code) {
    case 1: return unsupported_version;
    case 2: return bad_client_id;
    case 3: return server_unavailable;
    case 4: return bad_credentials;
    case 5: return bad_credentials;   // "not authorized": Mosquitto's word for a wrong password
    default: return unspecified;
  }
}

Failure refusal(std::string_view what, MqttError error, std::string_view words, Fate fate) {
  std::string detail(what);
  detail.append(detail.empty() ? "" : ": ").append(make_error_code(error).message());
  if (!words.empty()) {
    detail.append(" (").append(detail::replace_invalid_utf8(words.substr(0, longest_quote))).append(")");
  }
  const Meaning* meaning = meaning_of(error);
  if (meaning != nullptr && !meaning->advice.empty()) detail.append("; ").append(meaning->advice);
  return Failure(error, std::move(detail), fate);
}

}  // namespace ferry::mqtt
