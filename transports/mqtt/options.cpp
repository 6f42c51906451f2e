#include "transports/mqtt/options.hpp"

#include <cstdint>
#include <random>
#include <stdexcept>

#include "ferry/error.hpp"
#include "transports/mqtt/bytes.hpp"
#include "transports/mqtt/properties.hpp"
#include "transports/mqtt/topic.hpp"

namespace ferry::mqtt {
namespace {

using spi::Option;
using spi::OptionKind;

constexpr std::int64_t largest_four = 4'294'967'295;

constexpr Option will_properties[] = {
    {"willDelayInterval", OptionKind::integer, "", "seconds before it is published", 0, largest_four},
    {"messageExpiryInterval", OptionKind::integer, "", "seconds it is kept for who is away", 0, largest_four},
    {"contentType", OptionKind::string, "", "what the payload is"},
    {"userProperties", OptionKind::map_of_strings, "", "names and values of the user's"},
};
constexpr Option will_members[] = {
    {.name = "topic", .kind = OptionKind::string, .doc = "where it is published", .required = true},
    {"payload", OptionKind::string, "\"\"", "what is published"},
    {"qos", OptionKind::integer, "0", "its QoS", 0, 2},
    {"retain", OptionKind::boolean, "false", "the server keeps it for later subscribers"},
    {.name = "properties", .kind = OptionKind::object, .doc = "its properties (5 only)", .members = will_properties},
};
constexpr Option connect_properties[] = {
    {"sessionExpiryInterval", OptionKind::integer, "",
     "seconds the session outlasts its connection (5 only); with clean false by default for ever, as in 3.1.1", 0, largest_four},
    {"receiveMaximum", OptionKind::integer, "256",
     "messages of QoS 1 and 2 that may wait for their acknowledgement; 5 tells the server, 3.1.1 stops reading", 1, 65535},
    {"userProperties", OptionKind::map_of_strings, "", "names and values for the server (5 only)"},
};
constexpr Option subscribe_members[] = {
    {"qos", OptionKind::integer, "", "most QoS of what comes; by default 0, with \"delivery\": \"at-least-once\" 1", 0, 2},
    {"nl", OptionKind::boolean, "false", "not what this very connection has published (5 only)"},
    {"rap", OptionKind::boolean, "false", "keep the retain flag as it was published (5 only)"},
    {"rh", OptionKind::integer, "0",
     "retained messages at subscribing: 0 always, 1 if the subscription is new, 2 never (5 only)", 0, 2},
};

// Common to both tables. An Option table is one array, so the rows are a macro.
#define FERRY_MQTT_COMMON_OPTIONS                                                                                      \
  {"url", OptionKind::string, "\"mqtt://localhost:1883\"", "the server; mqtts:// asks for TLS"},                       \
  {.name = "servers", .kind = OptionKind::any,                                                                         \
   .doc = "[{host, port}, ...] in place of the URL's host and port: each attempt to connect begins with the next"},    \
  {"protocolVersion", OptionKind::integer, "4", "4: MQTT 3.1.1; 5: MQTT 5", 4, 5},                                     \
  {"clientId", OptionKind::string, "", "unlike every other's; default: one made up"},                                  \
  {"clean", OptionKind::boolean, "",                                                                                   \
   "false: the server keeps the session, and what comes for it, while we are away; by default true, with "             \
   "\"delivery\": \"at-least-once\" false"},                                                                           \
  {"keepalive", OptionKind::integer, "60", "seconds; a server silent for half as long again is lost; 0: never", 0, 65535}, \
  {"connectTimeout", OptionKind::duration, "\"30s\"", "for one attempt: names, addresses, TLS and CONNACK", 1},        \
  {"reconnectPeriod", OptionKind::duration, "",                                                                        \
   "between attempts to connect again, 0: none; if absent, `reconnect` counts"},                                       \
  {"username", OptionKind::string, "", "user name"},                                                                   \
  {"password", OptionKind::string, "", "of the user"},                                                                 \
  {.name = "will", .kind = OptionKind::object, .doc = "what the server publishes if we go without a farewell",         \
   .members = will_members},                                                                                           \
  {.name = "properties", .kind = OptionKind::object, .doc = "of the connection", .members = connect_properties},       \
  FERRY_TLS_CLIENT_OPTIONS,                                                                                            \
  {"noDelay", OptionKind::boolean, "true", "send small packets at once (TCP_NODELAY)"},                                \
  {"maxInflight", OptionKind::integer, "100",                                                                          \
   "messages of QoS 1 and 2 sent and not acknowledged; others wait; the server may allow fewer", 1, 65535},            \
  {"maxSendBufferSize", OptionKind::size, "\"64MiB\"", "most bytes queued for the server; 0: no limit"},               \
  {.name = "maxMessageSize", .kind = OptionKind::size, .fallback = "268435455",                                        \
   .doc = "longest packet, either way; MQTT 5 tells the server", .min = 128, .max = 268'435'455}

constexpr Option client_table[] = {
    FERRY_MQTT_COMMON_OPTIONS,
    {"qos", OptionKind::integer, "0", "of requests and events whose record says nothing else", 0, 2},
    {"userProperties", OptionKind::map_of_strings, "", "sent with every message (5 only)"},
    {"maxReplySubscriptions", OptionKind::integer, "1000",
     "reply topics that stay subscribed while no request needs them", 0},
};
constexpr Option server_table[] = {
    FERRY_MQTT_COMMON_OPTIONS,
    {.name = "subscribeOptions", .kind = OptionKind::object, .doc = "of every subscription; a handler's extras may say another qos",
     .members = subscribe_members},
    {"group", OptionKind::string, "", "instances of one group share the messages ($share/<group>/...)"},
    {"maxDeliver", OptionKind::integer, "5", "at-least-once: attempts at an event before it is given up", 1, 1000000},
    {"retryDelay", OptionKind::duration, "\"1s\"", "at-least-once: before the second attempt; doubles for the next, to a minute"},
    {"deadLetter", OptionKind::string, "\"dead/\"",
     "at-least-once: put before the topic of an event given up, which is published there; empty: it is dropped"},
    {"sendHighWaterMark", OptionKind::size, "\"1MiB\"",
     "queued bytes above which no more messages are taken, and streams of replies wait", 1},
};

/// True if the option is in this table: a client's, or a service's.
bool knows(const spi::Options& options, std::string_view name) {
  try {
    static_cast<void>(options.has(name));
    return true;
  } catch (const std::logic_error&) {
    return false;
  }
}

std::string made_up_id() {
  std::random_device random;
  constexpr char digits[] = "0123456789abcdef";
  std::string id = "ferry_";   // 3.1.1 promises room for 23 characters
  for (int i = 0; i < 2; ++i) {
    unsigned value = random();
    for (int k = 0; k < 8; ++k, value >>= 4) id += digits[value & 15];
  }
  return id;
}

[[noreturn]] void needs_version_5(const spi::Options& options, std::string_view name) {
  spi::config_error(options.place(name), "MQTT 3.1.1 has no such thing", "say \"protocolVersion\": 5, or leave it out");
}

void check_text(const spi::Options& options, std::string_view name) {
  if (!is_text(options.string(name))) {
    spi::config_error(options.place(name), "no text that MQTT can carry", "UTF-8 without U+0000, at most 65535 bytes");
  }
}

Headers to_headers(const spi::Options& options, std::string_view name) {
  Headers headers;
  for (const auto& [key, value] : options.map_of_strings(name)) {
    if (!is_text(key) || !is_text(value)) {
      spi::config_error(options.place(name), "a property that MQTT cannot carry", "UTF-8 without U+0000, at most 65535 bytes");
    }
    headers.set(key, value);
  }
  return headers;
}

void append_all(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) append_user_property(out, name, value);
}

void append_given(std::string& out, const spi::Options& options, std::string_view name, PropertyId id) {
  if (options.given(name)) append_number(out, id, static_cast<std::uint32_t>(options.integer(name)));
}

Will read_will(const spi::Options& options, Version version) {
  const spi::Options given = options.object("will");
  Will will;
  will.topic = given.string("topic");
  if (!is_topic(will.topic)) spi::config_error(given.place("topic"), "\"" + will.topic + "\" is no topic", "no wildcards, not empty");
  will.payload = given.string("payload");
  if (will.payload.size() > longest_text) spi::config_error(given.place("payload"), "too long", "at most 65535 bytes");
  will.qos = static_cast<std::uint8_t>(given.integer("qos"));
  will.retain = given.boolean("retain");
  if (!given.given("properties")) return will;
  if (version != Version::v5) needs_version_5(given, "properties");
  const spi::Options properties = given.object("properties");
  append_given(will.properties, properties, "willDelayInterval", PropertyId::will_delay);
  append_given(will.properties, properties, "messageExpiryInterval", PropertyId::message_expiry);
  if (properties.given("contentType")) {
    check_text(properties, "contentType");
    append_text(will.properties, PropertyId::content_type, properties.string("contentType"));
  }
  append_all(will.properties, to_headers(properties, "userProperties"));
  return will;
}

void read_session(const spi::Options& options, bool clean, Access& access) {
  Connect& connect = access.connect;
  connect.clean = options.has("clean") ? options.boolean("clean") : clean;
  connect.client_id = options.string("clientId");
  const spi::Options properties = options.object("properties");
  const bool version_5 = connect.version == Version::v5;
  for (const std::string_view name : {"sessionExpiryInterval", "userProperties"}) {
    if (properties.given(name) && !version_5) needs_version_5(properties, name);
  }
  const bool expires_at_once = properties.given("sessionExpiryInterval") && properties.integer("sessionExpiryInterval") == 0;
  access.session_lasts = !connect.clean && !expires_at_once;
  if (!connect.clean && connect.client_id.empty()) {
    const std::string_view why = options.given("clean") ? "\"clean\": false" : "\"delivery\": \"at-least-once\"";
    spi::config_error(options.place(options.given("clean") ? "clean" : "clientId"),
                      std::string(why) + " needs a session that the server knows again by its clientId",
                      "add a clientId that no other client and no other instance has");
  }
  if (connect.client_id.empty()) connect.client_id = made_up_id();
  access.receive_maximum = static_cast<std::uint16_t>(properties.integer("receiveMaximum"));
  if (!version_5) return;
  if (properties.given("sessionExpiryInterval")) {
    append_given(connect.properties, properties, "sessionExpiryInterval", PropertyId::session_expiry);
  } else if (access.session_lasts) {
    append_number(connect.properties, PropertyId::session_expiry, static_cast<std::uint32_t>(largest_four));
  }
  append_number(connect.properties, PropertyId::receive_maximum, access.receive_maximum);
  if (options.given("maxMessageSize")) {
    append_number(connect.properties, PropertyId::maximum_packet_size,
                  static_cast<std::uint32_t>(options.size("maxMessageSize")));
  }
  append_all(connect.properties, to_headers(properties, "userProperties"));
}

void read_tls(const spi::Options& options, const std::string& directory, const Target& target, Access& access) {
  if (target.tls) {
    access.tls = std::make_shared<const net::TlsContext>(net::TlsContext::Role::client, options, directory,
                                                         target.places.front().host);
    return;
  }
  for (const Option& each : net::tls_client_options) {
    if (options.given(each.name)) {
      spi::config_error(options.place(each.name), "this is for TLS, which the URL does not ask for", "write mqtts:// in url");
    }
  }
}

Access read_access(const spi::Options& options, const std::string& directory, bool clean) {
  Access access;
  Target target = read_target(options);
  read_tls(options, directory, target, access);
  access.places = std::move(target.places);
  for (net::Place& place : access.places) {
    place.no_delay = options.boolean("noDelay");
    place.keep_alive = true;
  }
  Connect& connect = access.connect;
  connect.version = static_cast<Version>(options.integer("protocolVersion"));
  connect.keep_alive = static_cast<std::uint16_t>(options.integer("keepalive"));
  for (const std::string_view name : {"clientId", "username", "password"}) check_text(options, name);
  if (options.given("username")) connect.username = options.string("username");
  else if (!target.username.empty()) connect.username = target.username;
  if (options.given("password")) connect.password = options.string("password");
  else if (!target.password.empty()) connect.password = target.password;
  if (connect.password && !connect.username && connect.version != Version::v5) {
    spi::config_error(options.place("password"), "a password without a user", "add \"username\"");
  }
  if (options.given("will")) connect.will = read_will(options, connect.version);
  read_session(options, clean, access);
  access.connect_timeout = options.duration("connectTimeout");
  access.max_send_bytes = options.size("maxSendBufferSize");
  access.max_message_bytes = options.size("maxMessageSize");
  access.url = url_of(options);
  return access;
}

SubscriptionOptions read_subscription(const spi::Options& options, Version version, bool at_least_once) {
  const spi::Options given = options.object("subscribeOptions");
  SubscriptionOptions result;
  result.qos = given.has("qos") ? static_cast<std::uint8_t>(given.integer("qos")) : at_least_once ? 1 : 0;
  if (at_least_once && result.qos == 0) {
    spi::config_error(given.place("qos"), "QoS 0 is at most once: it cannot be at-least-once",
                      "say 1 or 2, or leave \"delivery\" out");
  }
  for (const std::string_view name : {"nl", "rap", "rh"}) {
    if (given.given(name) && version != Version::v5) needs_version_5(given, name);
  }
  result.no_local = given.boolean("nl");
  result.retain_as_published = given.boolean("rap");
  result.retain_handling = static_cast<std::uint8_t>(given.integer("rh"));
  return result;
}

constexpr Option record_properties[] = {
    {"messageExpiryInterval", OptionKind::integer, "", "seconds", 0, largest_four},
    {"payloadFormatIndicator", OptionKind::boolean, "", "the payload is UTF-8"},
    {"contentType", OptionKind::string, "", "what the payload is"},
    {"responseTopic", OptionKind::string, "", "for others than ferry and NestJS"},
    {"correlationData", OptionKind::string, "", "for others than ferry and NestJS"},
    {"userProperties", OptionKind::map_of_strings, "", "names and values of the user's"},
};
constexpr Option record_table[] = {
    {"qos", OptionKind::integer, "", "", 0, 2},
    {"retain", OptionKind::boolean, "false", ""},
    {"dup", OptionKind::boolean, "false", ""},
    {.name = "properties", .kind = OptionKind::object, .doc = "5 only", .members = record_properties},
};

void read_record_properties(const spi::Options& given, Record& out) {
  append_given(out.properties, given, "messageExpiryInterval", PropertyId::message_expiry);
  if (given.given("payloadFormatIndicator")) {
    append_number(out.properties, PropertyId::payload_format, given.boolean("payloadFormatIndicator") ? 1 : 0);
  }
  if (given.given("contentType")) {
    check_text(given, "contentType");
    append_text(out.properties, PropertyId::content_type, given.string("contentType"));
  }
  if (given.given("responseTopic")) {
    const std::string topic = given.string("responseTopic");
    if (!is_topic(topic)) spi::config_error(given.place("responseTopic"), "\"" + topic + "\" is no topic", "no wildcards, not empty");
    append_text(out.properties, PropertyId::response_topic, topic);
  }
  if (given.given("correlationData")) {
    check_text(given, "correlationData");
    append_text(out.properties, PropertyId::correlation_data, given.string("correlationData"));
  }
  out.user_properties = to_headers(given, "userProperties");
}

}  // namespace

bool read_record(const nlohmann::json& options, Version version, Record& out, Failure& failure) {
  try {
    const spi::Options given = spi::Options::parse(options, record_table, {"SendOptions::record", ""});
    if (given.given("qos")) out.qos = static_cast<std::uint8_t>(given.integer("qos"));
    out.retain = given.boolean("retain");
    out.duplicate = given.boolean("dup") && out.qos != 0;   // QoS 0 cannot say so
    if (!given.given("properties")) return true;
    if (version != Version::v5) needs_version_5(given, "properties");
    read_record_properties(given.object("properties"), out);
    return true;
  } catch (const ConfigError& error) {
    failure = Failure(errc::unsupported, error.what(), Fate::not_sent);
    return false;
  }
}

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const spi::Options& options = environment.options;
  ClientSettings settings;
  settings.access = read_access(options, environment.directory, true);
  settings.qos = static_cast<std::uint8_t>(options.integer("qos"));
  settings.user_properties = to_headers(options, "userProperties");
  if (!settings.user_properties.empty() && settings.access.version() != Version::v5) needs_version_5(options, "userProperties");
  settings.max_inflight = static_cast<std::size_t>(options.integer("maxInflight"));
  settings.max_reply_subscriptions = static_cast<std::size_t>(options.integer("maxReplySubscriptions"));
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const spi::Options& options = environment.options;
  ServerSettings settings;
  settings.at_least_once = environment.at_least_once;
  settings.access = read_access(options, environment.directory, !environment.at_least_once);
  if (settings.at_least_once && !settings.access.session_lasts) {
    spi::config_error(options.place(options.given("clean") ? "clean" : "properties"),
                      "a session that ends with its connection forgets what came meanwhile: it cannot be at-least-once",
                      "say \"clean\": false with a sessionExpiryInterval above 0, or leave \"delivery\" out");
  }
  settings.access.high_water_bytes = options.size("sendHighWaterMark");
  settings.subscribe = read_subscription(options, settings.access.version(), settings.at_least_once);
  settings.group = options.string("group");
  if (settings.group.find_first_of("/+#") != std::string::npos || !is_text(settings.group)) {
    spi::config_error(options.place("group"), "\"" + settings.group + "\" cannot be the name of a group", "no /, + or # in it");
  }
  for (const std::string_view name : {"maxDeliver", "retryDelay", "deadLetter"}) {
    if (options.given(name) && !settings.at_least_once) {
      spi::config_error(options.place(name), "without \"delivery\": \"at-least-once\" an event is tried once",
                        "add that to the service, or leave this out");
    }
  }
  settings.max_inflight = static_cast<std::size_t>(options.integer("maxInflight"));
  settings.max_deliver = static_cast<unsigned>(options.integer("maxDeliver"));
  settings.retry_delay = options.duration("retryDelay");
  settings.dead_letter = options.string("deadLetter");
  if (!settings.dead_letter.empty() && !is_topic(settings.dead_letter)) {
    spi::config_error(options.place("deadLetter"), "\"" + settings.dead_letter + "\" cannot begin a topic", "no wildcards");
  }
  return settings;
}

Promises promises_of(const spi::Options& options) {
  Promises promises;
  promises.kept = options.has("clean") && !options.boolean("clean");
  if (!knows(options, "qos")) {   // a service's
    promises.shared = options.has("group");
    return promises;
  }
  promises.confirmed = options.integer("qos") > 0;
  promises.unheard = options.integer("qos") == 1 && options.integer("protocolVersion") == 5 && !promises.kept;
  return promises;
}

spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) {
  if (!options.given("reconnectPeriod")) return configured;
  const auto period = options.duration("reconnectPeriod");
  if (period.count() == 0) configured.attempts = 0;
  else configured.backoff = configured.max_backoff = period;
  return configured;
}

}  // namespace ferry::mqtt
