#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/spi/transport.hpp"

namespace ferry::grpc {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

/// Keys and certificates as PEM text, read at start-up.
struct Credentials {
  std::string key;
  std::string cert;
  std::string ca;           // empty: the system's
  std::string server_name;  // of a client
  bool request_cert = false;
  bool reject_unauthorized = true;
};

/// gRPC's own name for each, in the order they are applied: the later one wins.
using ChannelOptions = std::map<std::string, std::variant<int, std::string>>;

struct ClientSettings {
  std::string url;       // as the user wrote it
  std::string target;    // as gRPC wants it
  ChannelOptions channel;
  std::optional<Credentials> credentials;
  std::chrono::milliseconds connect_timeout{};
  std::size_t longest_sent = 0;   // bytes of a message
  bool wait_for_ready = false;
};

struct ServerSettings {
  std::vector<std::string> urls;
  ChannelOptions channel;
  std::optional<Credentials> credentials;
  std::size_t max_calls = 0;
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);

std::span<const std::string_view> url_schemes() noexcept;
/// "grpc://host:port", "grpcs://host:port?ca=ca.pem". Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// The other way round, for people.
std::string url_of(const spi::Options& options);

}  // namespace ferry::grpc
