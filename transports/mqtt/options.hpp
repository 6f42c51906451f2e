#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/spi/options.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/common/net/tls_context.hpp"
#include "transports/mqtt/packet.hpp"

namespace ferry::mqtt {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

/// Where the server is, and what every connection to it begins with.
struct Access {
  std::vector<net::Place> places;        // of which any will do
  std::shared_ptr<const net::TlsContext> tls;   // null: plain
  Connect connect;
  bool session_lasts = false;            // beyond a connection
  std::chrono::milliseconds connect_timeout{};
  std::size_t max_send_bytes = 0;        // 0: no limit
  std::size_t high_water_bytes = 0;
  std::size_t max_message_bytes = 0;
  std::uint16_t receive_maximum = 0;
  std::string url;                       // for people

  Version version() const noexcept { return connect.version; }
};

struct ClientSettings {
  Access access;
  std::uint8_t qos = 0;
  Headers user_properties;
  std::size_t max_inflight = 0;
  std::size_t max_reply_subscriptions = 0;
};

struct ServerSettings {
  Access access;
  SubscriptionOptions subscribe;
  std::string group;                     // empty: every instance gets everything
  bool at_least_once = false;
  std::size_t max_inflight = 0;
  unsigned max_deliver = 0;
  std::chrono::milliseconds retry_delay{};
  std::string dead_letter;               // empty: nowhere
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);

/// What the options promise beside what every MQTT client does.
struct Promises {
  bool confirmed = false;   ///< QoS 1 or 2 throughout
  bool unheard = false;     ///< the server says if nobody is subscribed: with MQTT 5 it may, in its PUBACK of QoS 1
  bool kept = false;        ///< sessions last
  bool shared = false;
};
Promises promises_of(const spi::Options& options);
/// mqtt.js's `reconnectPeriod`, where given, wins.
spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured);

std::span<const std::string_view> url_schemes() noexcept;
/// "mqtt://user:password@host:port", "mqtts://host?ca=ca.pem"; other options may follow in the query. Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// The other way round, for people: without the password and what stands in the query.
std::string url_of(const spi::Options& options);
std::string url_of(const net::Place& place, bool tls);

/// Where the options say the server is; a user and a password in the URL included. Throws `ConfigError`.
struct Target {
  std::vector<net::Place> places;
  bool tls = false;
  std::string username;
  std::string password;
};
Target read_target(const spi::Options& options);

/// What a message says of itself: NestJS's MqttRecordBuilder.
struct Record {
  std::uint8_t qos = 0;                  // what it is unless the record says otherwise
  bool retain = false;
  bool duplicate = false;
  std::string properties;                // encoded, without those of the user
  Headers user_properties;
};
/// False, with `failure` set, if it makes no sense.
bool read_record(const nlohmann::json& options, Version version, Record& out, Failure& failure);

}  // namespace ferry::mqtt
