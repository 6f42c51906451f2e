#include "transports/nats/options.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ferry/error.hpp"
#include "transports/nats/message.hpp"
#include "transports/nats/subject.hpp"

namespace ferry::nats {
namespace {

using spi::Option;
using spi::OptionKind;

constexpr Option tls_table[] = {
    {"ca", OptionKind::strings, "", "authorities to trust instead of the system's: PEM texts, or PEM files"},
    {"cert", OptionKind::string, "", "certificate, with its chain: PEM text, or a PEM file"},
    {"key", OptionKind::string, "", "private key: PEM text, or a PEM file"},
    {"caFile", OptionKind::string, "", "the same as `ca`, always a file"},
    {"certFile", OptionKind::string, "", "the same as `cert`, always a file"},
    {"keyFile", OptionKind::string, "", "the same as `key`, always a file"},
    {"ciphers", OptionKind::string, "", "OpenSSL's cipher names for TLS 1.2, separated by colons"},
    {"servername", OptionKind::string, "", "name looked for in the server's certificate, if not the host"},
    {"rejectUnauthorized", OptionKind::boolean, "true", "refuse a server whose certificate no authority vouches for"},
};

// Common to both tables. An Option table is one array, so the rows are a macro.
#define FERRY_NATS_COMMON_OPTIONS                                                                                       \
  {"servers", OptionKind::strings, "\"nats://localhost:4222\"", "one or more servers of one cluster; tls:// asks for TLS"}, \
  {"name", OptionKind::string, "", "shown by the server's monitoring; by default the name in the config"},             \
  {"user", OptionKind::string, "", "user name"},                                                                        \
  {"pass", OptionKind::string, "", "password"},                                                                         \
  {"token", OptionKind::string, "", "authentication token"},                                                            \
  {"nkey", OptionKind::string, "", "public NKey; `nkeySeedFile` holds the seed it signs with"},                        \
  {"nkeySeedFile", OptionKind::string, "", "file with the seed of `nkey`"},                                             \
  {"userCreds", OptionKind::string, "", "credentials file: JWT and seed"},                                              \
  {.name = "tls", .kind = OptionKind::object, .doc = "connect with TLS", .members = tls_table},                         \
  {"timeout", OptionKind::duration, "20000", "for one server to accept the connection", 1},                            \
  {"pingInterval", OptionKind::duration, "120000", "between the pings that find a dead connection", 1},                \
  {"maxPingOut", OptionKind::integer, "2", "unanswered pings after which a connection counts as dead", 1, 1000000},    \
  {"noEcho", OptionKind::boolean, "false", "what this connection sends never comes back to it"},                       \
  {"noRandomize", OptionKind::boolean, "false", "try servers in the order given"},                                     \
  {"ignoreClusterUpdates", OptionKind::boolean, "false", "do not remember servers that the cluster tells of"},         \
  {"pedantic", OptionKind::boolean, "false", "ask the server for stricter checks"},                                    \
  {"verbose", OptionKind::boolean, "false", "ask the server to confirm every command"},                                \
  {"inboxPrefix", OptionKind::string, "\"_INBOX\"", "first part of reply subjects, for servers with permissions"},     \
  {"reconnect", OptionKind::boolean, "true", "false: never connect again"},                                            \
  {"maxReconnectAttempts", OptionKind::integer, "", "attempts in a row before giving up; -1: no limit. Without it: "   \
   "the config's `reconnect`", -1},                                                                                    \
  {"reconnectTimeWait", OptionKind::duration, "", "between attempts. Without it: the config's `reconnect`"},           \
  {"reconnectJitter", OptionKind::duration, "100", "most that is added to reconnectTimeWait at random"},               \
  {"maxSendBufferSize", OptionKind::size, "\"64MiB\"", "most bytes queued for a server that does not read", 1},        \
  {.name = "mode", .kind = OptionKind::string, .fallback = "\"core\"",                                                 \
   .doc = "core: events reach who listens now; jetstream: they are stored, confirmed and delivered at least once",     \
   .choices = "core|jetstream"},                                                                                       \
  {"stream", OptionKind::string, "\"ferry\"", "jetstream: the stream that stores events"},                             \
  {"subjectPrefix", OptionKind::string, "", "jetstream: put before an event's route; by default \"<stream>.\""},       \
  {"deadLetter", OptionKind::string, "", "jetstream: put before the route of an event given up; by default "           \
   "\"dead.<stream>.\""},                                                                                              \
  {"noAssert", OptionKind::boolean, "false", "jetstream: the stream exists, do not create it"},                        \
  {.name = "storage", .kind = OptionKind::string, .fallback = "\"file\"",                                              \
   .doc = "jetstream: where a created stream is kept", .choices = "file|memory"},                                      \
  {.name = "retention", .kind = OptionKind::string, .fallback = "\"limits\"",                                          \
   .doc = "jetstream: when a created stream forgets: at its limits, once all consumers have acknowledged, or once "    \
          "its one consumer has", .choices = "limits|interest|workqueue"},                                             \
  {.name = "discard", .kind = OptionKind::string, .fallback = "\"old\"",                                               \
   .doc = "jetstream: at its limits a created stream forgets the oldest, or refuses new ones", .choices = "old|new"},  \
  {"maxMsgs", OptionKind::integer, "-1", "jetstream: limit of a created stream; -1: none", -1},                        \
  {"maxBytes", OptionKind::size, "0", "jetstream: limit of a created stream; 0: none"},                                \
  {"maxAge", OptionKind::duration, "\"168h\"", "jetstream: limit of a created stream; 0: none"},                       \
  {"duplicateWindow", OptionKind::duration, "\"2m\"", "jetstream: how long a created stream knows message ids"},       \
  {"replicas", OptionKind::integer, "1", "jetstream: copies of a created stream in a cluster", 1, 5}

constexpr Option client_table[] = {
    FERRY_NATS_COMMON_OPTIONS,
    {"headers", OptionKind::map_of_strings, "", "sent with every message that has none of that name"},
};
constexpr Option server_table[] = {
    FERRY_NATS_COMMON_OPTIONS,
    {"queue", OptionKind::string, "", "queue group: each message goes to one of its members; a handler's extras may name another"},
    {"maxPendingBytes", OptionKind::size, "\"8MiB\"", "bytes read and not yet handled, beyond which the server is not read from", 1},
    {"gracefulShutdown", OptionKind::boolean, "true", "handle what is on its way when the service stops"},
    {"gracePeriod", OptionKind::duration, "10000", "longest wait for that"},
    {"durable", OptionKind::string, "", "jetstream: name of the consumers that instances share; by default the service's"},
    {"ackWait", OptionKind::duration, "30000", "jetstream: silence after which an event is delivered again", 100},
    {"redeliveryDelay", OptionKind::duration, "1000", "jetstream: before a failed event is delivered again"},
    {"maxDeliver", OptionKind::integer, "5", "jetstream: deliveries of an event before it is dead-lettered; 0: no limit", 0},
    {"maxAckPending", OptionKind::integer, "1000", "jetstream: events of one route at work in all instances together", 1},
    {"batch", OptionKind::integer, "256", "jetstream: events of one route fetched ahead", 1, 10000},
};

std::string read_file(const spi::Options& options, std::string_view name, const std::string& file,
                      const std::string& directory) {
  const auto path = std::filesystem::path(directory) / file;
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    spi::config_error(options.place(name), "the file " + path.lexically_normal().string() + " cannot be read",
                      "give a PEM file");
  }
  return std::move(text).str();
}

std::string pem(const spi::Options& options, std::string_view name, const std::string& value,
                const std::string& directory) {
  if (value.find("-----BEGIN") != std::string::npos) return value;
  return read_file(options, name, value, directory);
}

TlsSettings read_tls(const spi::Options& options, const std::string& directory) {
  TlsSettings tls;
  for (const std::string& each : options.strings("ca")) tls.ca += pem(options, "ca", each, directory) + "\n";
  if (options.has("caFile")) tls.ca += read_file(options, "caFile", options.string("caFile"), directory);
  if (options.has("cert")) tls.cert = pem(options, "cert", options.string("cert"), directory);
  if (options.has("certFile")) tls.cert = read_file(options, "certFile", options.string("certFile"), directory);
  if (options.has("key")) tls.key = pem(options, "key", options.string("key"), directory);
  if (options.has("keyFile")) tls.key = read_file(options, "keyFile", options.string("keyFile"), directory);
  if (tls.cert.empty() != tls.key.empty()) {
    spi::config_error(options.place(tls.cert.empty() ? "key" : "cert"), "a certificate and its key belong together",
                      "give both cert and key");
  }
  tls.ciphers = options.string("ciphers");
  tls.server_name = options.string("servername");
  tls.verify = options.boolean("rejectUnauthorized");
  return tls;
}

std::string existing_file(const spi::Options& options, std::string_view name, const std::string& directory) {
  if (!options.has(name)) return {};
  const auto path = (std::filesystem::path(directory) / options.string(name)).lexically_normal();
  if (!std::ifstream(path)) {
    spi::config_error(options.place(name), "the file " + path.string() + " cannot be read", "");
  }
  return path.string();
}

void read_servers(const spi::Options& options, const std::string& directory, LinkSettings& link) {
  link.servers = options.strings("servers");
  if (link.servers.empty()) spi::config_error(options.place("servers"), "no server is named", "name one");
  bool tls = options.given("tls");
  for (std::string& server : link.servers) {
    const std::size_t mark = server.find("://");
    const std::string scheme = mark == std::string::npos ? "nats" : server.substr(0, mark);
    if (scheme != "nats" && scheme != "tls") {
      spi::config_error(options.place("servers"), "\"" + without_secrets(server) + "\" is no address of a NATS server",
                        "write nats://host:port or tls://host:port");
    }
    tls = tls || scheme == "tls";
  }
  if (tls) link.tls = read_tls(options.object("tls"), directory);
}

LinkSettings read_link(const spi::Options& options, const std::string& name, const std::string& directory) {
  LinkSettings link;
  read_servers(options, directory, link);
  link.name = options.has("name") ? options.string("name") : name;
  link.user = options.string("user");
  link.password = options.string("pass");
  link.token = options.string("token");
  link.nkey = options.string("nkey");
  link.nkey_seed_file = existing_file(options, "nkeySeedFile", directory);
  if (link.nkey.empty() != link.nkey_seed_file.empty()) {
    spi::config_error(options.place(link.nkey.empty() ? "nkeySeedFile" : "nkey"), "an NKey and its seed belong together",
                      "give both nkey and nkeySeedFile");
  }
  link.credentials_file = existing_file(options, "userCreds", directory);
  link.timeout = options.duration("timeout");
  link.ping_interval = options.duration("pingInterval");
  link.max_pings_out = static_cast<int>(options.integer("maxPingOut"));
  link.no_echo = options.boolean("noEcho");
  link.no_randomize = options.boolean("noRandomize");
  link.ignore_cluster_updates = options.boolean("ignoreClusterUpdates");
  link.pedantic = options.boolean("pedantic");
  link.verbose = options.boolean("verbose");
  link.inbox_prefix = options.string("inboxPrefix");
  if (!is_subscribable(link.inbox_prefix) || link.inbox_prefix.find_first_of("*>") != std::string::npos) {
    spi::config_error(options.place("inboxPrefix"), "\"" + link.inbox_prefix + "\" cannot begin a subject",
                      "write tokens of letters and digits, separated by dots");
  }
  link.max_send_bytes = options.size("maxSendBufferSize");
  return link;
}

/// Names of streams and consumers: what NATS allows in them.
void check_name(const spi::Options& options, std::string_view option, const std::string& name) {
  const bool good = is_publishable(name) && name.find_first_of(".*>/\\") == std::string::npos;
  if (good) return;
  spi::config_error(options.place(option), "\"" + name + "\" cannot be the name of a stream or consumer",
                    "it must not be empty, nor contain spaces, dots, slashes, * or >");
}

std::string read_prefix(const spi::Options& options, std::string_view name, std::string fallback) {
  std::string prefix = options.has(name) ? options.string(name) : std::move(fallback);
  if (!prefix.empty() && prefix.back() != '.') prefix += '.';
  const bool good = prefix.size() > 1 && is_subscribable(prefix.substr(0, prefix.size() - 1)) &&
                    prefix.find_first_of("*>") == std::string::npos;
  // Without a prefix the stream would take in requests too, and answer them with its own confirmation.
  if (!good) spi::config_error(options.place(name), "\"" + prefix + "\" cannot begin a subject", "write one or more tokens");
  return prefix;
}

StreamSettings read_stream(const spi::Options& options) {
  StreamSettings stream;
  stream.stream = options.string("stream");
  check_name(options, "stream", stream.stream);
  stream.subject_prefix = read_prefix(options, "subjectPrefix", stream.stream);
  stream.dead_letter = read_prefix(options, "deadLetter", "dead." + stream.stream);
  stream.create = !options.boolean("noAssert");
  stream.storage = options.string("storage");
  stream.retention = options.string("retention");
  stream.discard = options.string("discard");
  stream.max_messages = options.integer("maxMsgs");
  stream.max_bytes = static_cast<std::int64_t>(options.size("maxBytes"));
  stream.max_age = options.duration("maxAge");
  stream.duplicate_window = options.duration("duplicateWindow");
  stream.replicas = static_cast<int>(options.integer("replicas"));
  if (stream.max_age.count() > 0 && stream.duplicate_window > stream.max_age) stream.duplicate_window = stream.max_age;
  return stream;
}

/// Options of a mode that was not chosen would do nothing.
void refuse_stream_options(const spi::Options& options, spi::OptionTable table) {
  for (const Option& option : table) {
    if (!option.doc.starts_with("jetstream:") || !options.given(option.name)) continue;
    spi::config_error(options.place(option.name), "this needs \"mode\": \"jetstream\"", "choose that mode, or leave it out");
  }
}

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

bool uses_jetstream(const spi::Options& options) { return options.string("mode") == "jetstream"; }

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const spi::Options& options = environment.options;
  ClientSettings settings;
  settings.link = read_link(options, environment.name, environment.directory);
  for (const auto& [name, value] : options.map_of_strings("headers")) settings.headers.set(name, value);
  if (Failure failure; !are_sendable(settings.headers, failure)) spi::config_error(options.place("headers"), failure.detail, "");
  if (uses_jetstream(options)) settings.stream = read_stream(options);
  else refuse_stream_options(options, client_table);
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const spi::Options& options = environment.options;
  ServerSettings settings;
  settings.link = read_link(options, environment.name, environment.directory);
  settings.link.max_pending_bytes = options.size("maxPendingBytes");
  settings.queue = options.string("queue");
  if (options.has("queue") && !is_publishable(settings.queue)) {
    spi::config_error(options.place("queue"), "\"" + settings.queue + "\" cannot name a queue group",
                      "it must not be empty, nor contain white space");
  }
  settings.graceful_shutdown = options.boolean("gracefulShutdown");
  settings.grace_period = options.duration("gracePeriod");
  const bool jetstream = uses_jetstream(options) || (environment.at_least_once && !options.given("mode"));
  if (environment.at_least_once && !jetstream) {
    spi::config_error(options.place("mode"), "\"delivery\": \"at-least-once\" needs \"mode\": \"jetstream\"",
                      "core NATS forgets a message once it is sent: choose jetstream, or leave mode out");
  }
  if (!jetstream) {
    refuse_stream_options(options, server_table);
    return settings;
  }
  settings.stream = read_stream(options);
  settings.stream->durable = options.has("durable") ? options.string("durable") : environment.name;
  if (options.has("durable")) check_name(options, "durable", settings.stream->durable);
  for (char& c : settings.stream->durable) {   // a service may be called anything
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') c = '-';
  }
  settings.stream->ack_wait = options.duration("ackWait");
  settings.stream->redelivery_delay = options.duration("redeliveryDelay");
  settings.stream->max_deliver = static_cast<std::uint64_t>(options.integer("maxDeliver"));
  settings.stream->max_ack_pending = options.integer("maxAckPending");
  settings.stream->batch = static_cast<std::size_t>(std::min(options.integer("batch"), settings.stream->max_ack_pending));
  return settings;
}

spi::ReconnectPolicy reconnect_policy_of(const spi::Options& options, spi::ReconnectPolicy configured) {
  if (options.given("maxReconnectAttempts")) configured.attempts = options.integer("maxReconnectAttempts");
  if (!options.boolean("reconnect")) configured.attempts = 0;
  if (options.given("reconnectTimeWait") || options.given("reconnectJitter")) {
    configured.backoff = options.given("reconnectTimeWait") ? options.duration("reconnectTimeWait") : std::chrono::milliseconds(2000);
    configured.max_backoff = configured.backoff + options.duration("reconnectJitter");
  }
  return configured;
}

}  // namespace ferry::nats
