#include "transports/redis/options.hpp"

#include "ferry/error.hpp"

namespace ferry::redis {
namespace {

using spi::Option;
using spi::OptionKind;

constexpr Option node_members[] = {
    {.name = "host", .kind = OptionKind::string, .fallback = "\"localhost\"", .doc = "name or address"},
    {"port", OptionKind::integer, "6379", "TCP port", 1, 65535},
};

// Both sides must agree on these.
#define FERRY_REDIS_STREAM_OPTIONS                                                                                     \
  {"prefix", OptionKind::string, "\"ferry:\"", "before every key; a pattern's stream is <prefix><route>"},             \
  {"maxLength", OptionKind::integer, "0",                                                                              \
   "about so many entries a stream; the oldest go, handled or not (MAXLEN ~); 0: no limit", 0}

constexpr Option client_streams[] = {
    FERRY_REDIS_STREAM_OPTIONS,
};
constexpr Option server_streams[] = {
    FERRY_REDIS_STREAM_OPTIONS,
    {"group", OptionKind::string, "", "consumer group: its members share the work; default: the service's name"},
    {"consumer", OptionKind::string, "", "this instance's name in the group, unlike every other; default: one made up"},
    {.name = "from", .kind = OptionKind::string, .fallback = "\"beginning\"",
     .doc = "where a new group starts to read a stream", .choices = "beginning|end"},
    {"prefetch", OptionKind::integer, "256", "entries read ahead of their handlers' end; at least one a route", 1, 1000000},
    {"maxDeliver", OptionKind::integer, "5", "attempts at an entry before it goes to <key>.dead; 0: no limit", 0},
    {"retryDelay", OptionKind::duration, "\"1s\"", "before an event whose handler failed is tried again"},
    {"claimAfter", OptionKind::duration, "\"30s\"",
     "an entry untouched for so long belongs to a dead instance, and is taken over; handlers that run keep theirs", 100},
    {"forgetConsumersAfter", OptionKind::duration, "\"1h\"", "names of instances gone so long, with nothing left, are removed",
     1000},
    {"housekeeping", OptionKind::duration, "\"10s\"", "how often claims, names and lengths are looked at", 50},
    {"trim", OptionKind::boolean, "true", "remove entries that every consumer group has handled"},
    {"deadMaxLength", OptionKind::integer, "0", "about so many entries in <key>.dead; 0: no limit", 0},
};

// Common to both tables. An Option table is one array, so the rows are a macro.
#define FERRY_REDIS_COMMON_OPTIONS(stream_members)                                                                     \
  {"host", OptionKind::string, "\"localhost\"", "name or address of the server"},                                      \
  {"port", OptionKind::integer, "6379", "TCP port", 1, 65535},                                                         \
  {"path", OptionKind::string, "", "a Unix-domain socket instead of host and port"},                                   \
  {"username", OptionKind::string, "", "ACL user"},                                                                    \
  {"password", OptionKind::string, "", "of the user, or of the server (requirepass)"},                                 \
  {"db", OptionKind::integer, "0", "number of the database; channels are common to all", 0},                           \
  {"connectionName", OptionKind::string, "", "shown by CLIENT LIST"},                                                  \
  {.name = "tls", .kind = OptionKind::object, .doc = "connect with TLS", .members = net::tls_client_options},          \
  {.name = "sentinels", .kind = OptionKind::any, .doc = "[{host, port}, ...]: ask these where the master is"},         \
  {"name", OptionKind::string, "", "the master's name among the sentinels"},                                           \
  {"sentinelUsername", OptionKind::string, "", "ACL user of the sentinels"},                                           \
  {"sentinelPassword", OptionKind::string, "", "of the sentinels"},                                                    \
  {"enableTLSForSentinelMode", OptionKind::boolean, "false", "speak TLS with the sentinels as well"},                  \
  {.name = "nodes", .kind = OptionKind::any,                                                                           \
   .doc = "[{host, port}, ...]: nodes of a Redis Cluster, of which any will do; not in streams mode"},                 \
  {"noDelay", OptionKind::boolean, "true", "send small packets at once (TCP_NODELAY)"},                                \
  {"keepAlive", OptionKind::duration, "0", "silence before the system probes the connection; 0: the system's own"},    \
  {"connectTimeout", OptionKind::duration, "\"10s\"", "for one attempt: names, addresses, TLS and log-in", 1},         \
  {"retryAttempts", OptionKind::integer, "", "how often to connect again after a loss; if absent, `reconnect` counts", 0}, \
  {"retryDelay", OptionKind::duration, "\"5s\"", "before each of the retryAttempts"},                                  \
  {"pingInterval", OptionKind::duration, "\"10s\"",                                                                    \
   "ping so often; a connection that does not answer until the next is lost; 0: never"},                               \
  {"maxSendBufferSize", OptionKind::size, "\"64MiB\"", "most bytes queued for the server; 0: no limit"},               \
  {"maxMessageSize", OptionKind::size, "\"512MiB\"", "longest message; Redis's own limit is proto-max-bulk-len", 1},   \
  {"wildcards", OptionKind::boolean, "false",                                                                          \
   "a service's patterns are Redis globs: * ? [...] (PSUBSCRIBE); a client's options may say that its service's are"}, \
  {.name = "mode", .kind = OptionKind::string, .fallback = "\"pubsub\"",                                               \
   .doc = "pubsub: NestJS's; streams: at-least-once, between ferry peers", .choices = "pubsub|streams"},               \
  {.name = "streams", .kind = OptionKind::object, .doc = "for mode streams", .members = stream_members}

constexpr Option client_table[] = {
    FERRY_REDIS_COMMON_OPTIONS(client_streams),
    {"maxReplySubscriptions", OptionKind::integer, "1000",
     "reply channels that stay subscribed while no request needs them", 0},
};
constexpr Option server_table[] = {
    FERRY_REDIS_COMMON_OPTIONS(server_streams),
    {"sendHighWaterMark", OptionKind::size, "\"1MiB\"",
     "queued bytes above which no more requests are taken, and streams of replies wait", 1},
};

/// A list of {host, port}.
std::vector<net::Place> read_nodes(const spi::Options& options, std::string_view name, std::uint16_t usual_port) {
  std::vector<net::Place> places;
  const nlohmann::json& list = options.any(name);
  const spi::ConfigPlace where = options.place(name);
  if (!list.is_array() || list.empty()) {
    spi::config_error(where, "no list of servers", "write [{\"host\": \"...\", \"port\": 6379}, ...]");
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    const spi::Options node = spi::Options::parse(list[i], node_members, where.element(i));
    net::Place place;
    place.host = node.string("host");
    place.port = node.given("port") ? static_cast<std::uint16_t>(node.integer("port")) : usual_port;
    places.push_back(std::move(place));
  }
  return places;
}

void refuse_together(const spi::Options& options, std::string_view one, std::string_view other) {
  if (!options.given(one) || !options.given(other)) return;
  spi::config_error(options.place(one), std::string(one) + " and " + std::string(other) + " exclude each other",
                    "give the one you mean");
}

std::shared_ptr<const net::TlsContext> read_tls(const spi::Options& options, const std::string& directory,
                                                const std::string& host) {
  return std::make_shared<const net::TlsContext>(net::TlsContext::Role::client, options.object("tls"), directory, host);
}

void read_places(const spi::Options& options, const std::string& directory, Access& access) {
  for (const std::string_view other : {"sentinels", "nodes"}) {
    refuse_together(options, "host", other);
    refuse_together(options, "path", other);
  }
  refuse_together(options, "path", "host");
  refuse_together(options, "sentinels", "nodes");
  if (options.given("sentinels")) {
    access.sentinels = read_nodes(options, "sentinels", 26379);
    access.master = options.string("name");
    access.sentinel_credentials = {options.string("sentinelUsername"), options.string("sentinelPassword")};
    if (access.master.empty()) {
      spi::config_error(options.place("sentinels"), "the master's name is missing", "add \"name\": \"mymaster\"");
    }
  } else {
    for (const std::string_view lone : {"name", "sentinelUsername", "sentinelPassword", "enableTLSForSentinelMode"}) {
      if (options.given(lone)) {
        spi::config_error(options.place(lone), std::string(lone) + " without sentinels means nothing",
                          lone == "name" ? "add sentinels, or say connectionName" : "add sentinels");
      }
    }
  }
  if (options.given("nodes")) {
    access.cluster = true;
    access.places = read_nodes(options, "nodes", 6379);
  } else if (access.sentinels.empty()) {
    access.places.push_back(net::read_place(options, directory));
  }
  for (auto* places : {&access.places, &access.sentinels}) {
    for (net::Place& place : *places) {
      place.no_delay = options.boolean("noDelay");
      place.keep_alive = true;
    }
  }
  if (!options.given("tls")) return;
  // With several servers it is the sentinels or the cluster that name one: the certificate must name what was given.
  const std::vector<net::Place>& named = access.places.empty() ? access.sentinels : access.places;
  const std::string& host = named.front().path.empty() ? named.front().host : "localhost";
  access.tls = read_tls(options, directory, host);
  if (options.boolean("enableTLSForSentinelMode")) access.sentinel_tls = access.tls;
}

Access read_access(const spi::Options& options, const std::string& directory) {
  Access access;
  read_places(options, directory, access);
  access.credentials = {options.string("username"), options.string("password")};
  if (!access.credentials.username.empty() && access.credentials.password.empty()) {
    spi::config_error(options.place("username"), "a user without a password", "add \"password\"");
  }
  access.db = options.integer("db");
  if (access.cluster && access.db != 0) {
    spi::config_error(options.place("db"), "a Redis Cluster has database 0 only", "leave db out");
  }
  access.connection_name = options.string("connectionName");
  access.connect_timeout = options.duration("connectTimeout");
  access.keep_alive = options.duration("keepAlive");
  access.ping_interval = options.duration("pingInterval");
  access.max_send_bytes = options.size("maxSendBufferSize");
  access.max_message_bytes = options.size("maxMessageSize");
  access.url = url_of(options);
  return access;
}

StreamSettings read_shared_streams(const spi::Options& streams) {
  StreamSettings settings;
  settings.prefix = streams.string("prefix");
  settings.max_length = static_cast<std::uint64_t>(streams.integer("maxLength"));
  return settings;
}

void check_mode(const spi::Options& options, Mode mode) {
  if (mode == Mode::streams && options.given("nodes")) {
    spi::config_error(options.place("nodes"), "a Redis Cluster spreads streams over its nodes, which mode streams does not follow",
                      "use a server or sentinels, or mode pubsub");
  }
  if (mode == Mode::pubsub && options.given("streams")) {
    spi::config_error(options.place("streams"), "these are for mode streams", "add \"mode\": \"streams\", or leave them out");
  }
}

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

Mode mode_of(const spi::Options& options) {
  return options.string("mode") == "streams" ? Mode::streams : Mode::pubsub;
}

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const spi::Options& options = environment.options;
  ClientSettings settings;
  settings.mode = mode_of(options);
  check_mode(options, settings.mode);
  settings.access = read_access(options, environment.directory);
  settings.max_reply_subscriptions = static_cast<std::size_t>(options.integer("maxReplySubscriptions"));
  settings.streams = read_shared_streams(options.object("streams"));
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const spi::Options& options = environment.options;
  ServerSettings settings;
  settings.mode = mode_of(options);
  if (environment.at_least_once && settings.mode == Mode::pubsub) {
    if (options.given("mode")) {
      spi::config_error(options.place("mode"), "pub/sub forgets what nobody receives: it cannot be at-least-once",
                        "say \"mode\": \"streams\", or leave \"delivery\" out");
    }
    settings.mode = Mode::streams;
  }
  check_mode(options, settings.mode);
  settings.access = read_access(options, environment.directory);
  settings.access.high_water_bytes = options.size("sendHighWaterMark");
  settings.wildcards = options.boolean("wildcards");
  if (settings.wildcards && settings.mode == Mode::streams) {
    spi::config_error(options.place("wildcards"), "streams have names, not patterns", "leave wildcards out, or use mode pubsub");
  }
  const spi::Options streams = options.object("streams");
  settings.streams = read_shared_streams(streams);
  StreamSettings& s = settings.streams;
  s.group = streams.has("group") ? streams.string("group") : environment.name;
  s.consumer = streams.string("consumer");
  s.from_beginning = streams.string("from") == "beginning";
  s.prefetch = static_cast<std::size_t>(streams.integer("prefetch"));
  s.max_deliver = streams.integer("maxDeliver");
  s.retry_delay = streams.duration("retryDelay");
  s.claim_after = streams.duration("claimAfter");
  s.forget_consumers_after = streams.duration("forgetConsumersAfter");
  s.housekeeping = streams.duration("housekeeping");
  s.trim = streams.boolean("trim");
  s.dead_max_length = static_cast<std::uint64_t>(streams.integer("deadMaxLength"));
  return settings;
}

spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) {
  if (!options.given("retryAttempts") && !options.given("retryDelay")) return configured;
  if (options.given("retryAttempts")) configured.attempts = options.integer("retryAttempts");
  configured.backoff = configured.max_backoff = options.duration("retryDelay");
  return configured;
}

}  // namespace ferry::redis
