#include "transports/rmq/options.hpp"

#include <algorithm>

#include "ferry/error.hpp"
#include "transports/rmq/frame.hpp"

namespace ferry::rmq {
namespace {

using spi::Option;
using spi::OptionKind;

constexpr Option connection_table[] = {
    FERRY_TLS_OPTIONS,
    {"servername", OptionKind::string, "", "name sent to the broker and looked for in its certificate, if not the host"},
    {"checkServerIdentity", OptionKind::boolean, "true", "the certificate must name the host"},
    {"timeout", OptionKind::duration, "\"10s\"", "for one attempt: all of `urls`, TLS and log-in included", 1},
    {"noDelay", OptionKind::boolean, "true", "send at once (TCP_NODELAY)"},
    {"keepAlive", OptionKind::boolean, "false", "TCP keep-alive probes, beside the heartbeats"},
    {"clientProperties", OptionKind::any, "", "an object, shown by the broker's management: `connection_name` names the connection"},
};

constexpr Option socket_table[] = {
    {"heartbeatIntervalInSeconds", OptionKind::integer, "5", "between heartbeats; two that do not come end a connection; 0: none", 0, 65535},
    {"reconnectTimeInSeconds", OptionKind::number, "", "between attempts. Without it: the config's `reconnect`", 0},
    {.name = "connectionOptions", .kind = OptionKind::object, .doc = "TLS (of amqps://) and sockets", .members = connection_table},
};

constexpr Option queue_table[] = {
    {"durable", OptionKind::boolean, "true", "survives the broker's restart"},
    {"exclusive", OptionKind::boolean, "false", "belongs to the connection, and goes with it"},
    {"autoDelete", OptionKind::boolean, "false", "goes with its last consumer"},
    {"noAssert", OptionKind::boolean, "false", "the same as `noAssert`"},
    {"messageTtl", OptionKind::integer, "", "x-message-ttl: milliseconds a message lives", 0},
    {"expires", OptionKind::integer, "", "x-expires: milliseconds the queue lives unused", 1},
    {"deadLetterExchange", OptionKind::string, "", "x-dead-letter-exchange: where messages go that are refused or expire"},
    {"deadLetterRoutingKey", OptionKind::string, "", "x-dead-letter-routing-key"},
    {"maxLength", OptionKind::integer, "", "x-max-length: messages it holds", 0},
    {"maxPriority", OptionKind::integer, "", "x-max-priority: highest priority of messages", 0, 255},
    {"overflow", OptionKind::string, "", "x-overflow: drop-head or reject-publish"},
    {"queueMode", OptionKind::string, "", "x-queue-mode: lazy"},
    {"arguments", OptionKind::any, "", "an object of other arguments: {\"x-queue-type\": \"quorum\"}"},
};

// Common to both tables. An Option table is one array, so the rows are a macro.
#define FERRY_RMQ_COMMON_OPTIONS                                                                                          \
  {"urls", OptionKind::any, "[\"amqp://localhost\"]",                                                                    \
   "brokers, tried in turn: amqp://user:password@host:port/vhost, amqps://…, or objects of hostname, port, username, "  \
   "password, vhost, protocol, heartbeat, frameMax"},                                                                    \
  {"queue", OptionKind::string, "\"\"", "the service's queue"},                                                          \
  {.name = "queueOptions", .kind = OptionKind::object, .doc = "how the queue is declared: alike wherever it is",         \
   .members = queue_table},                                                                                              \
  {"noAssert", OptionKind::boolean, "false", "the queue exists: do not declare it"},                                     \
  {"prefetchCount", OptionKind::integer, "0", "messages that may be unacknowledged at once; 0: no limit", 0, 65535},     \
  {"isGlobalPrefetchCount", OptionKind::boolean, "false", "`prefetchCount` is of the channel, not of the consumer"},     \
  {"exchange", OptionKind::string, "", "exchange to bind to; in wildcards mode by default named as the queue"},          \
  {.name = "exchangeType", .kind = OptionKind::string, .fallback = "\"topic\"", .doc = "of `exchange`",                  \
   .choices = "topic|fanout|direct|headers"},                                                                            \
  {"exchangeArguments", OptionKind::any, "", "an object of arguments of `exchange`"},                                    \
  {"routingKey", OptionKind::string, "", "key that the queue is bound to `exchange` with"},                              \
  {"wildcards", OptionKind::boolean, "false", "patterns are routing keys of a topic exchange: `*` one word, `#` the rest"}, \
  {.name = "socketOptions", .kind = OptionKind::object, .doc = "the connection", .members = socket_table},               \
  {"maxConnectionAttempts", OptionKind::integer, "", "attempts in a row before giving up; -1: no limit. Without it: the "  \
   "config's `reconnect`", -1},                                                                                          \
  {"maxSendBufferSize", OptionKind::size, "\"64MiB\"", "most bytes queued for a broker that does not read", 1},          \
  {"maxMessageSize", OptionKind::size, "\"128MiB\"", "longest message, either way", 1}

constexpr Option client_table[] = {
    FERRY_RMQ_COMMON_OPTIONS,
    {"replyQueue", OptionKind::string, "\"amq.rabbitmq.reply-to\"", "where replies come to; another one must exist, for this client alone"},
    {"noAck", OptionKind::boolean, "true", "replies need no acknowledgement; must be true with the default `replyQueue`"},
    {"persistent", OptionKind::boolean, "false", "messages survive the broker's restart in a durable queue (deliveryMode 2)"},
    {"headers", OptionKind::map_of_strings, "", "sent with every message that has none of that name"},
    {"mandatory", OptionKind::boolean, "false", "an event that no queue takes is an error"},
};

constexpr Option server_table[] = {
    FERRY_RMQ_COMMON_OPTIONS,
    {"noAck", OptionKind::boolean, "true", "the broker forgets a message once it is sent; false: once it is handled"},
    {"consumerTag", OptionKind::string, "", "the consumer's name; by default the broker gives one"},
    {"sendHighWaterMark", OptionKind::size, "\"1MiB\"", "bytes queued for the broker above which reading and streams wait", 1},
    {"maxDeliver", OptionKind::integer, "5", "at-least-once: deliveries of an event before it is dead-lettered; 0: no limit", 0},
    {"redeliveryDelay", OptionKind::duration, "1000", "at-least-once: before a failed event is delivered again"},
    {"retryQueue", OptionKind::string, "", "at-least-once: where it waits; by default \"<queue>.retry\""},
    {"deadLetterQueue", OptionKind::string, "", "at-least-once: where it ends if the queue has no dead-letter exchange; by "
     "default \"<queue>.dead\""},
};

void check_short(const spi::Options& options, std::string_view name, const std::string& text) {
  if (text.size() <= most_short_text) return;
  spi::config_error(options.place(name), "AMQP allows 255 bytes, this has " + std::to_string(text.size()), "choose a shorter one");
}

std::string short_text(const spi::Options& options, std::string_view name) {
  std::string text = options.string(name);
  check_short(options, name, text);
  return text;
}

nlohmann::json object_of(const spi::Options& options, std::string_view name) {
  const nlohmann::json& value = options.any(name);
  if (value.is_null()) return nlohmann::json::object();
  if (!value.is_object()) spi::config_error(options.place(name), "this must be an object", "");
  for (const auto& [key, each] : value.items()) {
    if (key.size() > most_short_text) spi::config_error(options.place(name), "the name " + key + " is too long", "AMQP allows 255 bytes");
  }
  return value;
}

// --- the connection -------------------------------------------------------------------------------------------------

/// NestJS's other way to write a URL: as an object.
std::string url_of_object(const nlohmann::json& object, const spi::ConfigPlace& place) {
  static constexpr Option table[] = {
      {"protocol", OptionKind::string, "\"amqp\""}, {"hostname", OptionKind::string, "\"localhost\""},
      {"port", OptionKind::integer, "", "", 1, 65535}, {"username", OptionKind::string, "\"guest\""},
      {"password", OptionKind::string, "\"guest\""}, {"vhost", OptionKind::string, "\"/\""},
      {"heartbeat", OptionKind::integer, "", "", 0, 65535}, {"frameMax", OptionKind::integer, "", "", 0}};
  const spi::Options parts = spi::Options::parse(object, table, place);
  const auto escaped = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) { out += c; continue; }
      constexpr std::string_view digits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
    return out;
  };
  const std::string host = parts.string("hostname");
  std::string url = parts.string("protocol") + "://" + escaped(parts.string("username")) + ":" + escaped(parts.string("password")) +
                    "@" + (host.find(':') == std::string::npos ? host : "[" + host + "]");
  if (parts.has("port")) url += ":" + std::to_string(parts.integer("port"));
  if (parts.string("vhost") != "/") url += "/" + escaped(parts.string("vhost"));
  char mark = '?';
  for (const char* const name : {"heartbeat", "frameMax"}) {
    if (parts.has(name)) url += mark + std::string(name) + "=" + std::to_string(parts.integer(name)), mark = '&';
  }
  return url;
}

std::vector<std::string> read_urls(const spi::Options& options) {
  const nlohmann::json& given = options.any("urls");
  const nlohmann::json list = given.is_array() ? given : nlohmann::json::array({given});
  std::vector<std::string> urls;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const spi::ConfigPlace place = given.is_array() ? options.place("urls").element(i) : options.place("urls");
    if (list[i].is_string()) urls.push_back(list[i].get<std::string>());
    else if (list[i].is_object()) urls.push_back(url_of_object(list[i], place));
    else spi::config_error(place, "this is no URL", "write \"amqp://host:port\", or an object");
  }
  if (urls.empty()) spi::config_error(options.place("urls"), "no broker is named", "name one");
  return urls;
}

Target read_target(const spi::Options& options, const std::string& url, Access& access) try {
  return read_url(url, access);
} catch (const ConfigError& error) {
  spi::config_error(options.place("urls"), error.what(), "");
}

Access read_access(const spi::Options& options, const std::string& name, const std::string& directory) {
  const spi::Options socket = options.object("socketOptions");
  const spi::Options connection = socket.object("connectionOptions");
  Access access;
  access.heartbeat = std::chrono::seconds(socket.integer("heartbeatIntervalInSeconds"));
  bool tls = false;
  for (const std::string& url : read_urls(options)) {
    Target target = read_target(options, url, access);
    target.place.no_delay = connection.boolean("noDelay");
    target.place.keep_alive = connection.boolean("keepAlive");
    if (target.name.starts_with("amqps:")) {
      tls = true;
      target.tls = std::make_shared<const net::TlsContext>(net::TlsContext::Role::client, connection, directory, target.place.host);
    }
    access.targets.push_back(std::move(target));
  }
  for (const Option& option : net::tls_client_options) {
    if (tls || !connection.given(option.name)) continue;
    spi::config_error(connection.place(option.name), "this needs a URL with amqps://", "write one, or leave it out");
  }
  if (access.heartbeat.count() > 65535) spi::config_error(options.place("urls"), "heartbeat may be 65535 at most", "");
  constexpr std::size_t least_frame = 4096;   // AMQP's own
  if (access.frame_max != 0 && access.frame_max < least_frame) {
    spi::config_error(options.place("urls"), "frameMax must be 4096 at least", "");
  }
  access.client_properties = object_of(connection, "clientProperties");
  if (!access.client_properties.contains("connection_name")) access.client_properties["connection_name"] = name;
  access.connect_timeout = connection.duration("timeout");
  access.max_send_bytes = options.size("maxSendBufferSize");
  access.max_message_bytes = options.size("maxMessageSize");
  return access;
}

// --- queue and exchange ---------------------------------------------------------------------------------------------

Topology read_topology(const spi::Options& options) {
  Topology t;
  t.queue = short_text(options, "queue");
  const spi::Options queue = options.object("queueOptions");
  t.durable = queue.boolean("durable");
  t.exclusive = queue.boolean("exclusive");
  t.auto_delete = queue.boolean("autoDelete");
  t.queue_arguments = object_of(queue, "arguments");
  constexpr std::pair<std::string_view, const char*> arguments[] = {
      {"messageTtl", "x-message-ttl"}, {"expires", "x-expires"}, {"maxLength", "x-max-length"}, {"maxPriority", "x-max-priority"}};
  for (const auto& [name, argument] : arguments) {
    if (queue.has(name)) t.queue_arguments[argument] = queue.integer(name);
  }
  constexpr std::pair<std::string_view, const char*> texts[] = {
      {"deadLetterExchange", "x-dead-letter-exchange"}, {"deadLetterRoutingKey", "x-dead-letter-routing-key"},
      {"overflow", "x-overflow"}, {"queueMode", "x-queue-mode"}};
  for (const auto& [name, argument] : texts) {
    if (queue.has(name)) t.queue_arguments[argument] = short_text(queue, name);
  }
  t.declare_queue = t.queue.empty() || !(options.boolean("noAssert") || queue.boolean("noAssert"));
  t.exchange_type = options.string("exchangeType");
  t.exchange_arguments = object_of(options, "exchangeArguments");
  t.wildcards = options.boolean("wildcards");
  if (options.has("routingKey")) t.routing_key = short_text(options, "routingKey");
  t.exchange = short_text(options, "exchange");
  if (t.exchange.empty() && t.through_exchange()) t.exchange = t.queue;
  t.prefetch = static_cast<std::uint16_t>(options.integer("prefetchCount"));
  t.global_prefetch = options.boolean("isGlobalPrefetchCount");

  if (t.wildcards && t.exchange_type != "topic") {
    spi::config_error(options.place("exchangeType"), "wildcards need an exchange of the type topic", "leave it out");
  }
  if ((t.wildcards || options.given("exchangeType")) && t.exchange.empty()) {
    spi::config_error(options.place("exchange"), "there is no exchange", "name one with \"exchange\"");
  }
  if (options.given("exchangeArguments") && t.exchange.empty()) {
    spi::config_error(options.place("exchangeArguments"), "there is no exchange", "name one with \"exchange\"");
  }
  if (t.routing_key && t.exchange.empty()) {
    spi::config_error(options.place("routingKey"), "there is no exchange to bind to", "name one with \"exchange\"");
  }
  return t;
}

/// At least once needs a queue that outlives the service, and a place for what nobody can handle.
RetrySettings read_retry(const spi::Options& options, const Topology& topology) {
  const auto refuse = [&](std::string_view name, std::string_view why) {
    spi::config_error(options.place(name), why, "\"delivery\": \"at-least-once\" needs a named, durable queue");
  };
  if (topology.queue.empty()) refuse("queue", "the queue has no name");
  if (!topology.durable || topology.exclusive || topology.auto_delete) refuse("queueOptions", "the queue goes with its service");
  if (options.given("noAck") && options.boolean("noAck")) refuse("noAck", "the broker would forget what is not handled yet");
  RetrySettings retry;
  retry.max_deliver = static_cast<std::uint64_t>(options.integer("maxDeliver"));
  retry.delay = options.duration("redeliveryDelay");
  retry.retry_queue = options.has("retryQueue") ? short_text(options, "retryQueue") : topology.queue + ".retry";
  if (retry.retry_queue == topology.queue) refuse("retryQueue", "this is the queue itself");
  const bool has_exchange = topology.queue_arguments.contains("x-dead-letter-exchange");
  if (has_exchange && options.given("deadLetterQueue")) {
    spi::config_error(options.place("deadLetterQueue"), "the queue has a dead-letter exchange already", "leave one of them out");
  }
  if (!has_exchange) {
    retry.dead_letter_queue = options.has("deadLetterQueue") ? short_text(options, "deadLetterQueue") : topology.queue + ".dead";
    if (retry.dead_letter_queue == topology.queue) refuse("deadLetterQueue", "this is the queue itself");
  }
  check_short(options, "queue", retry.retry_queue);
  check_short(options, "queue", retry.dead_letter_queue);
  return retry;
}

/// Options that need at-least-once would do nothing without.
void refuse_retry_options(const spi::Options& options) {
  for (const Option& option : server_table) {
    if (!option.doc.starts_with("at-least-once:") || !options.given(option.name)) continue;
    spi::config_error(options.place(option.name), "this needs \"delivery\": \"at-least-once\"", "add that to the service, or leave this out");
  }
}

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const spi::Options& options = environment.options;
  ClientSettings settings;
  settings.access = read_access(options, environment.name, environment.directory);
  settings.topology = read_topology(options);
  if (settings.topology.queue.empty() && !settings.topology.through_exchange()) {
    spi::config_error(options.place("queue"), "it is not said where messages go", "name the service's queue");
  }
  settings.reply_queue = short_text(options, "replyQueue");
  settings.no_ack = options.boolean("noAck");
  if (!settings.no_ack && settings.reply_queue == direct_reply_to) {
    spi::config_error(options.place("noAck"), "replies over amq.rabbitmq.reply-to cannot be acknowledged",
                      "leave it out, or name a \"replyQueue\"");
  }
  settings.persistent = options.boolean("persistent");
  settings.mandatory = options.boolean("mandatory");
  for (const auto& [name, value] : options.map_of_strings("headers")) {
    check_short(options, "headers", name);
    settings.headers.set(name, value);
  }
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const spi::Options& options = environment.options;
  ServerSettings settings;
  settings.access = read_access(options, environment.name, environment.directory);
  settings.access.high_water_bytes = options.size("sendHighWaterMark");
  settings.topology = read_topology(options);
  settings.no_ack = options.boolean("noAck");
  settings.consumer_tag = short_text(options, "consumerTag");
  if (!environment.at_least_once) {
    refuse_retry_options(options);
    return settings;
  }
  settings.no_ack = false;
  settings.retry = read_retry(options, settings.topology);
  constexpr std::uint16_t usual_prefetch = 256;   // the rest is for other instances
  if (!options.given("prefetchCount")) settings.topology.prefetch = usual_prefetch;
  return settings;
}

spi::ReconnectPolicy reconnect_policy_of(const spi::Options& options, spi::ReconnectPolicy configured) {
  const spi::Options socket = options.object("socketOptions");
  if (socket.given("reconnectTimeInSeconds")) {
    const auto wait = std::chrono::duration<double>(socket.number("reconnectTimeInSeconds"));
    configured.backoff = configured.max_backoff = std::chrono::ceil<std::chrono::milliseconds>(wait);
  }
  if (options.given("maxConnectionAttempts")) {
    const std::int64_t attempts = options.integer("maxConnectionAttempts");
    configured.attempts = attempts < 0 ? -1 : std::max<std::int64_t>(0, attempts - 1);   // beyond the first
  }
  return configured;
}

std::string urls_of(const spi::Options& options) {
  std::string all;
  Access ignored;
  for (const std::string& url : read_urls(options)) {
    all.append(all.empty() ? "" : ",").append(read_target(options, url, ignored).name);
  }
  return all;
}

}  // namespace ferry::rmq
