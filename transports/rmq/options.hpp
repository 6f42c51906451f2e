#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/headers.hpp"
#include "ferry/spi/options.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/common/net/tls_context.hpp"

namespace ferry::rmq {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

inline constexpr std::string_view direct_reply_to = "amq.rabbitmq.reply-to";

/// One of the places a broker may be at, and how to get in there.
struct Target {
  net::Place place;
  std::string user;
  std::string password;
  std::string vhost;
  std::string name;                                // "amqp://127.0.0.1:5672/vhost", for people
  std::shared_ptr<const net::TlsContext> tls;      // null: plain
};

/// How to get to the broker, for clients and services.
struct Access {
  std::vector<Target> targets;
  nlohmann::json client_properties;                // told to the broker
  std::chrono::milliseconds connect_timeout{};
  std::chrono::seconds heartbeat{};                // 0: none
  std::size_t frame_max = 0;                       // 0: the broker's
  std::size_t max_send_bytes = 0;                  // 0: no limit
  std::size_t high_water_bytes = 0;
  std::size_t max_message_bytes = 0;
};

/// What is declared when a connection is there.
struct Topology {
  std::string queue;                               // empty: the broker names it
  bool durable = true;
  bool exclusive = false;
  bool auto_delete = false;
  nlohmann::json queue_arguments = nlohmann::json::object();
  bool declare_queue = true;                       // not noAssert
  std::string exchange;                            // empty: there is none beside the default one
  std::string exchange_type;
  nlohmann::json exchange_arguments = nlohmann::json::object();
  std::optional<std::string> routing_key;
  bool wildcards = false;                          // by pattern, through a topic exchange
  std::uint16_t prefetch = 0;                      // 0: no limit
  bool global_prefetch = false;

  bool fanout() const noexcept { return exchange_type == "fanout"; }
  /// Messages go to an exchange of their own, not straight to the queue.
  bool through_exchange() const noexcept { return wildcards || fanout(); }
};

struct ClientSettings {
  Access access;
  Topology topology;
  std::string reply_queue;
  bool no_ack = true;                              // of replies
  bool persistent = false;
  bool mandatory = false;
  Headers headers;
};

/// What becomes of events that handlers fail on, with at-least-once delivery.
struct RetrySettings {
  std::string retry_queue;
  std::string dead_letter_queue;                   // empty: the queue has a dead-letter exchange
  std::uint64_t max_deliver = 0;                   // 0: no limit
  std::chrono::milliseconds delay{};
};

struct ServerSettings {
  Access access;
  Topology topology;
  bool no_ack = true;
  std::string consumer_tag;
  std::optional<RetrySettings> retry;
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);
/// NestJS's `reconnectTimeInSeconds` and `maxConnectionAttempts`, where given, win.
spi::ReconnectPolicy reconnect_policy_of(const spi::Options& options, spi::ReconnectPolicy configured);

std::span<const std::string_view> url_schemes() noexcept;
/// "amqp://user:password@host:port/vhost?queue=math", "amqps://host?queue=math&ca=ca.pem". Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// A URL as it stands in `urls`: with `heartbeat` and `frameMax` in the query at most. TLS is not set. Throws `ConfigError`.
Target read_url(std::string_view url, Access& access);
/// The brokers, for people: without passwords.
std::string urls_of(const spi::Options& options);

}  // namespace ferry::rmq
