#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/headers.hpp"
#include "ferry/spi/options.hpp"
#include "ferry/spi/transport.hpp"

namespace ferry::nats {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

struct TlsSettings {
  std::string ca;      // PEM texts; empty: the system's authorities
  std::string cert;
  std::string key;
  std::string ciphers;
  std::string server_name;
  bool verify = true;
};

/// How to get to the servers, for clients and services.
struct LinkSettings {
  std::vector<std::string> servers;
  std::string name;
  std::string user;
  std::string password;
  std::string token;
  std::string nkey;
  std::string nkey_seed_file;
  std::string credentials_file;
  std::optional<TlsSettings> tls;
  std::chrono::milliseconds timeout{};
  std::chrono::milliseconds ping_interval{};
  int max_pings_out = 0;
  bool no_echo = false;
  bool no_randomize = false;
  bool ignore_cluster_updates = false;
  bool pedantic = false;
  bool verbose = false;
  std::string inbox_prefix;
  std::size_t max_send_bytes = 0;      // maxSendBufferSize
  std::size_t max_pending_bytes = 0;   // maxPendingBytes
};

/// What belongs to `"mode": "jetstream"`. 0 stands for "no limit".
struct StreamSettings {
  std::string stream;
  std::string subject_prefix;      // of events: "<stream>."
  std::string dead_letter;         // prefix of what nobody could handle: "dead.<stream>."
  bool create = true;              // not noAssert
  std::string storage;
  std::string retention;
  std::string discard;
  std::int64_t max_messages = 0;
  std::int64_t max_bytes = 0;
  std::chrono::milliseconds max_age{};
  std::chrono::milliseconds duplicate_window{};
  int replicas = 1;
  // Of a service.
  std::string durable;
  std::chrono::milliseconds ack_wait{};
  std::chrono::milliseconds redelivery_delay{};
  std::uint64_t max_deliver = 0;
  std::int64_t max_ack_pending = 0;
  std::size_t batch = 0;
};

struct ClientSettings {
  LinkSettings link;
  Headers headers;
  std::optional<StreamSettings> stream;
};

struct ServerSettings {
  LinkSettings link;
  std::string queue;
  bool graceful_shutdown = true;
  std::chrono::milliseconds grace_period{};
  std::optional<StreamSettings> stream;
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);

bool uses_jetstream(const spi::Options& options);
spi::ReconnectPolicy reconnect_policy_of(const spi::Options& options, spi::ReconnectPolicy configured);

std::span<const std::string_view> url_schemes() noexcept;
/// "nats://user:password@host:port", "tls://host"; other options may follow in the query. Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// The servers, for people: without passwords.
std::string url_of(const spi::Options& options);
std::string without_secrets(std::string_view server);

}  // namespace ferry::nats
