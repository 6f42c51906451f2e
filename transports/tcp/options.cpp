#include "transports/tcp/options.hpp"

#include <charconv>

#include "ferry/error.hpp"

namespace ferry::tcp {
namespace {

using spi::Option;
using spi::OptionKind;

// Common to both tables. An Option table is one array, so the rows are a macro.
#define FERRY_TCP_COMMON_OPTIONS                                                                                       \
  {"host", OptionKind::string, "\"localhost\"", "name or address; a service listens on all addresses of a name"},      \
  {"port", OptionKind::integer, "3000", "TCP port; 0 makes a service take any free one", 0, 65535},                    \
  {"path", OptionKind::string, "", "a Unix-domain socket instead of host and port"},                                   \
  {"maxBufferSize", OptionKind::size, "134217728", "longest unread input, in UTF-16 units", 1},                        \
  {"incompleteMessageTimeout", OptionKind::duration, "30000", "longest silence in the middle of a packet; 0: no limit"}, \
  {"maxSendBufferSize", OptionKind::size, "134217728", "most bytes queued for a peer that does not read; 0: no limit"}, \
  {"noDelay", OptionKind::boolean, "true", "send small packets at once (TCP_NODELAY)"},                                \
  {"keepAlive", OptionKind::boolean, "false", "let the system probe silent connections (SO_KEEPALIVE)"}

constexpr Option client_table[] = {
    FERRY_TCP_COMMON_OPTIONS,
    {"connectTimeout", OptionKind::duration, "\"10s\"", "for one attempt: all addresses and the TLS handshake", 1},
    {.name = "tlsOptions", .kind = OptionKind::object, .doc = "connect with TLS", .members = tls_client_options},
};
constexpr Option server_table[] = {
    FERRY_TCP_COMMON_OPTIONS,
    {"retryAttempts", OptionKind::integer, "0", "how often to listen again after the listening socket failed", 0},
    {"retryDelay", OptionKind::duration, "0", "before listening again"},
    {.name = "tlsOptions", .kind = OptionKind::object, .doc = "listen with TLS", .members = tls_server_options},
    {"maxConnections", OptionKind::integer, "10000", "connections at a time; one more is closed at once", 1},
    {"maxTotalBufferSize", OptionKind::size, "\"1GiB\"",
     "most bytes unread and queued for all connections together; those that hold most are closed; 0: no limit"},
    {"sendHighWaterMark", OptionKind::size, "\"1MiB\"", "queued bytes above which a peer is not read for a while", 1},
    {"backlog", OptionKind::integer, "511", "connections the system holds until they are accepted", 1, 65535},
    {"pathMode", OptionKind::string, "", "permissions of the Unix-domain socket, in octal: \"0660\""},
};

Place place_of(const spi::Options& options, const std::string& directory) {
  Place place = net::read_place(options, directory);
  place.no_delay = options.boolean("noDelay");
  place.keep_alive = options.boolean("keepAlive");
  return place;
}

Limits read_limits(const spi::Options& options) {
  Limits limits;
  limits.max_buffer = options.size("maxBufferSize");
  limits.max_send_bytes = options.size("maxSendBufferSize");
  limits.incomplete_timeout = options.duration("incompleteMessageTimeout");
  return limits;
}

std::optional<unsigned> read_mode(const spi::Options& options) {
  if (!options.has("pathMode")) return std::nullopt;
  const std::string text = options.string("pathMode");
  unsigned mode = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || mode > 0777) {
    spi::config_error(options.place("pathMode"), "\"" + text + "\" is no mode", "write it in octal, such as \"0660\"");
  }
  return mode;
}

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const spi::Options& options = environment.options;
  ClientSettings settings;
  settings.place = place_of(options, environment.directory);
  if (settings.place.port == 0 && settings.place.path.empty()) {
    spi::config_error(options.place("port"), "a client cannot connect to port 0", "give the port of the service");
  }
  settings.limits = read_limits(options);
  settings.connect_timeout = options.duration("connectTimeout");
  if (options.given("tlsOptions")) {
    const std::string& host = settings.place.path.empty() ? settings.place.host : "localhost";
    settings.tls = std::make_shared<const TlsContext>(TlsContext::Role::client, options.object("tlsOptions"),
                                                      environment.directory, host);
  }
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const spi::Options& options = environment.options;
  ServerSettings settings;
  settings.place = place_of(options, environment.directory);
  settings.limits = read_limits(options);
  settings.limits.high_water_bytes = options.size("sendHighWaterMark");
  settings.backlog = static_cast<int>(options.integer("backlog"));
  settings.path_mode = read_mode(options);
  settings.max_connections = static_cast<std::size_t>(options.integer("maxConnections"));
  settings.max_total_bytes = options.size("maxTotalBufferSize");
  settings.retry_attempts = static_cast<std::uint64_t>(options.integer("retryAttempts"));
  settings.retry_delay = options.duration("retryDelay");
  settings.port_place = "options " + std::string(settings.place.path.empty() ? "port" : "path") + " of service " +
                        environment.name;
  if (options.given("tlsOptions")) {
    settings.tls = std::make_shared<const TlsContext>(TlsContext::Role::server, options.object("tlsOptions"),
                                                      environment.directory, std::string());
  }
  return settings;
}

}  // namespace ferry::tcp
