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

#include "ferry/spi/options.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/common/net/tls_context.hpp"

namespace ferry::redis {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

enum class Mode : std::uint8_t { pubsub, streams };

struct Credentials {
  std::string username;
  std::string password;
  bool given() const noexcept { return !username.empty() || !password.empty(); }
};

/// Where the server is, and what every connection to it begins with.
struct Access {
  std::vector<net::Place> places;        // one; or the nodes of a cluster, of which any will do
  std::vector<net::Place> sentinels;     // not empty: they know the place
  std::string master;                    // by this name
  Credentials sentinel_credentials;
  Credentials credentials;
  std::int64_t db = 0;
  std::string connection_name;
  bool cluster = false;
  std::shared_ptr<const net::TlsContext> tls;            // null: plain
  std::shared_ptr<const net::TlsContext> sentinel_tls;
  std::chrono::milliseconds connect_timeout{};
  std::chrono::milliseconds keep_alive{};                // 0: the system's
  std::chrono::milliseconds ping_interval{};             // 0: never
  std::size_t max_send_bytes = 0;                        // 0: no limit
  std::size_t high_water_bytes = 0;
  std::size_t max_message_bytes = 0;
  std::string url;                                       // for people
};

/// The keys and rules of streams mode; what is only a service's has no meaning for a client.
struct StreamSettings {
  std::string prefix;
  std::uint64_t max_length = 0;             // 0: no limit
  std::string group;
  std::string consumer;                     // empty: a name of this process
  bool from_beginning = true;
  std::size_t prefetch = 0;
  std::int64_t max_deliver = 0;
  std::chrono::milliseconds retry_delay{};
  std::chrono::milliseconds claim_after{};
  std::chrono::milliseconds forget_consumers_after{};
  std::chrono::milliseconds housekeeping{};
  std::uint64_t dead_max_length = 0;
  bool trim = true;

  std::string key(std::string_view route) const { return prefix + std::string(route); }
};

struct ClientSettings {
  Mode mode = Mode::pubsub;
  Access access;
  std::size_t max_reply_subscriptions = 0;
  StreamSettings streams;
};

struct ServerSettings {
  Mode mode = Mode::pubsub;
  Access access;
  bool wildcards = false;
  StreamSettings streams;
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);
Mode mode_of(const spi::Options& options);
/// NestJS's `retryAttempts` and `retryDelay`, where given, win.
spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured);

std::span<const std::string_view> url_schemes() noexcept;
/// "redis://user:password@host:port/db", "rediss://host?ca=ca.pem", "redis+unix:///run/redis.sock?db=1"; other options may
/// follow in the query. Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// The other way round, for people: without the password and what stands in the query.
std::string url_of(const spi::Options& options);
std::string url_of(const net::Place& place, bool tls);

}  // namespace ferry::redis
