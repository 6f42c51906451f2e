#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/spi/options.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/common/net/tls_context.hpp"
#include "transports/tcp/error.hpp"

namespace ferry::tcp {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

/// What client and service have in common. 0 stands for "no limit" where NestJS says so.
struct Limits {
  std::size_t max_buffer = 0;                        // maxBufferSize, UTF-16 units
  std::size_t max_send_bytes = 0;                    // maxSendBufferSize
  std::size_t high_water_bytes = 0;                  // sendHighWaterMark; a client has none
  std::chrono::milliseconds incomplete_timeout{};    // incompleteMessageTimeout
};

struct ClientSettings {
  Place place;
  Limits limits;
  std::chrono::milliseconds connect_timeout{};
  std::shared_ptr<const TlsContext> tls;   // null: plain
};

struct ServerSettings {
  Place place;
  Limits limits;
  int backlog = 0;
  std::optional<unsigned> path_mode;
  std::size_t max_connections = 0;
  std::size_t max_total_bytes = 0;         // maxTotalBufferSize; 0: no limit
  std::uint64_t retry_attempts = 0;
  std::chrono::milliseconds retry_delay{};
  std::shared_ptr<const TlsContext> tls;
  std::string port_place;                  // of the option that says where to listen, for error texts
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);

std::span<const std::string_view> url_schemes() noexcept;
/// "tcp://host:port", "tcps://host:port?ca=ca.pem&servername=math", "tcp+unix:///run/math.sock"; other options may follow
/// in the query. Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// The other way round, for people: without what stands in the query.
std::string url_of(const spi::Options& options);

}  // namespace ferry::tcp
