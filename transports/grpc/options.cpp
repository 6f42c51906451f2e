#include "transports/grpc/options.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "ferry/error.hpp"
#include "transports/common/url.hpp"

namespace ferry::grpc {
namespace {

using spi::Option;
using spi::OptionKind;

constexpr std::int64_t most = std::numeric_limits<int>::max();

#define FERRY_GRPC_CREDENTIALS                                                            \
  {"key", OptionKind::string, "", "private key: a PEM file, or PEM text"},                \
  {"cert", OptionKind::string, "", "certificate, with its chain: a PEM file, or PEM text"}, \
  {"ca", OptionKind::strings, "", "authorities to trust instead of the system's: PEM files, or PEM texts"}

constexpr Option client_credentials[] = {
    FERRY_GRPC_CREDENTIALS,
    {"servername", OptionKind::string, "", "name looked for in the service's certificate, if not the host"},
};
constexpr Option server_credentials[] = {
    FERRY_GRPC_CREDENTIALS,
    {"requestCert", OptionKind::boolean, "false", "ask clients for a certificate"},
    {"rejectUnauthorized", OptionKind::boolean, "true", "with requestCert: refuse a client without a good one"},
};

constexpr Option keepalive_table[] = {
    {"keepaliveTimeMs", OptionKind::integer, "", "silence after which a ping is sent", 1, most},
    {"keepaliveTimeoutMs", OptionKind::integer, "", "how long the ping's answer may take", 1, most},
    {"keepalivePermitWithoutCalls", OptionKind::integer, "", "1: also while no call is open", 0, 1},
    {"http2MaxPingsWithoutData", OptionKind::integer, "", "pings in a row without data; 0: no limit", 0, most},
    {"http2MinTimeBetweenPingsMs", OptionKind::integer, "", "least time between pings sent", 0, most},
    {"http2MinPingIntervalWithoutDataMs", OptionKind::integer, "", "least time between pings received", 0, most},
    {"http2MaxPingStrikes", OptionKind::integer, "", "bad pings before the connection is closed; 0: no limit", 0, most},
};
constexpr std::array<std::pair<const char*, const char*>, 7> keepalive_names{{
    {"keepaliveTimeMs", "grpc.keepalive_time_ms"},
    {"keepaliveTimeoutMs", "grpc.keepalive_timeout_ms"},
    {"keepalivePermitWithoutCalls", "grpc.keepalive_permit_without_calls"},
    {"http2MaxPingsWithoutData", "grpc.http2.max_pings_without_data"},
    {"http2MinTimeBetweenPingsMs", "grpc.http2.min_time_between_pings_ms"},
    {"http2MinPingIntervalWithoutDataMs", "grpc.http2.min_ping_interval_without_data_ms"},
    {"http2MaxPingStrikes", "grpc.http2.max_ping_strikes"},
}};

#define FERRY_GRPC_CHANNEL_OPTIONS                                                                                      \
  {"maxSendMessageLength", OptionKind::integer, "-1", "longest message sent, in bytes; -1: no limit", -1, most},         \
  {"maxReceiveMessageLength", OptionKind::integer, "4194304", "longest message received, in bytes; -1: no limit", -1, most}, \
  {"maxMetadataSize", OptionKind::integer, "", "longest metadata received, in bytes", 0, most},                         \
  {.name = "keepalive", .kind = OptionKind::object, .doc = "pings on silent connections", .members = keepalive_table},   \
  {"channelOptions", OptionKind::any, "", "gRPC's own channel arguments: an object of numbers and strings"}

constexpr Option loader_table[] = {
    {"keepCase", OptionKind::boolean, "false", "names of fields as they stand in the .proto, not in camel case"},
    {.name = "longs", .kind = OptionKind::string, .doc = "64-bit integers as text; else as numbers, exact", .choices = "String|Number"},
    {.name = "enums", .kind = OptionKind::string, .doc = "enums by name; else by number", .choices = "String"},
    {.name = "bytes", .kind = OptionKind::string, .doc = "bytes as base64 text or as an array; else as a Buffer, which is "
     "ferry::Bytes", .choices = "String|Array"},
    {"defaults", OptionKind::boolean, "false", "fields that were not sent have their default values"},
    {"arrays", OptionKind::boolean, "false", "repeated fields that were not sent are []"},
    {"objects", OptionKind::boolean, "false", "maps that were not sent are {}"},
    {"oneofs", OptionKind::boolean, "false", "a member named like the oneof says which of its fields is set"},
    {"includeDirs", OptionKind::strings, "", "directories of imported files"},
};

#define FERRY_GRPC_CONTRACT_OPTIONS                                                                                      \
  {"protoPath", OptionKind::strings, "", "the .proto files of the contract; without them ferry's own service carries all"}, \
  {"package", OptionKind::strings, "", "their packages; those of the files where it is not given"},                       \
  {.name = "loader", .kind = OptionKind::object, .doc = "how messages are shown as JSON", .members = loader_table},       \
  {"routes", OptionKind::any, "", "other patterns for methods: [{pattern, method, request, response}]"}

constexpr Option client_table[] = {
    {"url", OptionKind::strings, "\"localhost:5000\"", "host:port; several, as addresses, share the calls"},
    FERRY_GRPC_CONTRACT_OPTIONS,
    FERRY_GRPC_CHANNEL_OPTIONS,
    {.name = "credentials", .kind = OptionKind::object, .doc = "connect with TLS", .members = client_credentials},
    {"connectTimeout", OptionKind::duration, "\"10s\"", "for one attempt: all addresses and the TLS handshake", 1},
    {.name = "loadBalancing", .kind = OptionKind::string, .doc = "how calls are spread over addresses: the first that "
     "answers, or all in turn; in turn where url has several", .choices = "pick_first|round_robin"},
    {"waitForReady", OptionKind::boolean, "false", "a call waits for a connection until its deadline, whatever becomes of attempts (`offlineQueue` if that is not given)"},
};
constexpr Option server_table[] = {
    {"url", OptionKind::strings, "\"localhost:5000\"", "host:port to listen on, or several; port 0 takes any free one"},
    FERRY_GRPC_CONTRACT_OPTIONS,
    {"strict", OptionKind::boolean, "false", "refuse to start while a method of the contract has no handler"},
    FERRY_GRPC_CHANNEL_OPTIONS,
    {.name = "credentials", .kind = OptionKind::object, .doc = "listen with TLS", .members = server_credentials},
    {"health", OptionKind::boolean, "false", "answer grpc.health.v1"},
    {"reflection", OptionKind::boolean, "false", "tell the contract to tools such as grpcurl (grpc.reflection.v1 and v1alpha)"},
    {"maxConcurrentCalls", OptionKind::integer, "100000", "calls open at a time; one more is refused", 1, most},
};

ChannelOptions channel_options(const spi::Options& options) {
  ChannelOptions channel;
  const nlohmann::json& own = options.any("channelOptions");
  const spi::ConfigPlace place = options.place("channelOptions");
  if (!own.is_null() && !own.is_object()) {
    spi::config_error(place, "it is no object", "write {\"grpc.enable_retries\": 0}");
  }
  for (const auto& [name, value] : own.items()) {
    if (value.is_string()) {
      channel[name] = value.get<std::string>();
    } else if (value.is_boolean()) {
      channel[name] = value.get<bool>() ? 1 : 0;
    } else if (value.is_number_integer() && value.get<std::int64_t>() <= most && value.get<std::int64_t>() >= -most) {
      channel[name] = value.get<int>();
    } else {
      spi::config_error(place.member(name), value.dump(), "gRPC takes integers of 32 bits and strings");
    }
  }
  channel["grpc.max_send_message_length"] = static_cast<int>(options.integer("maxSendMessageLength"));
  channel["grpc.max_receive_message_length"] = static_cast<int>(options.integer("maxReceiveMessageLength"));
  if (options.has("maxMetadataSize")) channel["grpc.max_metadata_size"] = static_cast<int>(options.integer("maxMetadataSize"));
  const spi::Options keepalive = options.object("keepalive");
  for (const auto& [name, argument] : keepalive_names) {
    if (keepalive.has(name)) channel[argument] = static_cast<int>(keepalive.integer(name));
  }
  return channel;
}

/// What a stream that nobody reads holds in gRPC: HTTP/2's window of 64 KiB, as with NestJS. gRPC C++ would let each grow with the
/// connection's throughput, so that a thousand of them hold as much as there is.
void bound_streams(ChannelOptions& channel) { channel.emplace("grpc.http2.bdp_probe", 0); }

std::string read_pem(const std::string& value, const spi::ConfigPlace& place, const std::string& directory) {
  if (value.find("-----BEGIN ") != std::string::npos) return value;
  const std::filesystem::path path = std::filesystem::path(directory) / value;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || text.find("-----BEGIN ") == std::string::npos) {
    spi::config_error(place, "there is no PEM text in the file " + path.string(), "name a readable PEM file, or give PEM text");
  }
  return text;
}

std::optional<Credentials> read_credentials(const spi::Options& options, const std::string& directory, bool service) {
  if (!options.given("credentials")) return std::nullopt;
  const spi::Options given = options.object("credentials");
  Credentials credentials;
  if (given.has("key") != given.has("cert")) {
    spi::config_error(given.place(given.has("key") ? "cert" : "key"), "missing", "key and cert go together");
  }
  if (service && !given.has("key")) spi::config_error(given.place("cert"), "a TLS service needs a certificate", "set key and cert");
  if (given.has("key")) {
    credentials.key = read_pem(given.string("key"), given.place("key"), directory);
    credentials.cert = read_pem(given.string("cert"), given.place("cert"), directory);
  }
  for (const std::string& ca : given.strings("ca")) credentials.ca += read_pem(ca, given.place("ca"), directory);
  if (!service) {
    credentials.server_name = given.string("servername");
    return credentials;
  }
  credentials.request_cert = given.boolean("requestCert");
  credentials.reject_unauthorized = given.boolean("rejectUnauthorized");
  if (credentials.request_cert && credentials.reject_unauthorized && credentials.ca.empty()) {
    spi::config_error(given.place("ca"), "no authority to check certificates of clients by", "set ca");
  }
  return credentials;
}

/// gRPC takes several addresses as one "ipv4:a:1,b:2".
std::string target_of(const std::vector<std::string>& urls, const spi::ConfigPlace& place) {
  if (urls.size() == 1) return urls.front();
  std::string target;
  const bool v6 = urls.front().starts_with('[');
  for (const std::string& url : urls) {
    const bool address = v6 ? url.starts_with('[') : std::all_of(url.begin(), url.end(), [](char c) {
      return (c >= '0' && c <= '9') || c == '.' || c == ':';
    });
    if (!address) {
      spi::config_error(place, "\"" + url + "\" among several", "give all of them as IPv4, or all as IPv6 addresses; one "
                        "name may stand for several addresses by itself: \"dns:///math.example:5000\"");
    }
    target += (target.empty() ? (v6 ? "ipv6:" : "ipv4:") : ",") + url;
  }
  return target;
}

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const spi::Options& options = environment.options;
  ClientSettings settings;
  const std::vector<std::string> urls = options.strings("url");
  if (urls.empty()) spi::config_error(options.place("url"), "no address", "give host:port");
  settings.url = url_of(options);
  settings.target = target_of(urls, options.place("url"));
  settings.channel = channel_options(options);
  // A connection of its own that stays, whatever other channels of the process do; core says when to try again.
  bound_streams(settings.channel);
  settings.channel.emplace("grpc.use_local_subchannel_pool", 1);
  settings.channel.emplace("grpc.client_idle_timeout_ms", std::numeric_limits<int>::max());
  const bool in_turn = options.has("loadBalancing") ? options.string("loadBalancing") == "round_robin" : urls.size() > 1;
  if (in_turn) settings.channel["grpc.lb_policy_name"] = "round_robin";
  settings.credentials = read_credentials(options, environment.directory, false);
  settings.connect_timeout = options.duration("connectTimeout");
  const auto longest = options.integer("maxSendMessageLength");
  settings.longest_sent = static_cast<std::size_t>(longest < 0 ? most : longest);
  settings.wait_for_ready = options.boolean("waitForReady");
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const spi::Options& options = environment.options;
  ServerSettings settings;
  const std::vector<std::string> urls = options.strings("url");
  if (urls.empty()) spi::config_error(options.place("url"), "no address", "give host:port");
  settings.urls = urls;
  settings.channel = channel_options(options);
  bound_streams(settings.channel);
  settings.channel.emplace("grpc.so_reuseport", 0);   // two services on one port are a mistake
  settings.credentials = read_credentials(options, environment.directory, true);
  if (options.boolean("reflection") && !options.given("protoPath")) {
    spi::config_error(options.place("reflection"), "without protoPath", "there is no contract to tell");
  }
  settings.max_calls = static_cast<std::size_t>(options.integer("maxConcurrentCalls"));
  return settings;
}

// ---- URLs ------------------------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view schemes[] = {"grpc", "grpcs"};
constexpr std::string_view examples = "write grpc://host:port or grpcs://host:port?ca=file";
constexpr std::array credential_names{"key", "cert", "ca", "servername", "requestCert", "rejectUnauthorized"};

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view text) {
  using transports::Url;
  const Url::Form form{.authority = true, .examples = examples};
  const auto bad = [&](std::string_view why) { Url::refuse(text, why, form); };
  const std::string_view scheme = Url::scheme_of(text);
  if (scheme != "grpc" && scheme != "grpcs") bad("it is no URL of the gRPC transport");
  const Url url = Url::parse(text, form);
  if (!url.user.empty() || !url.password.empty()) bad("the gRPC transport knows no user names");
  if (url.path.size() > 1) bad("nothing may follow the port");
  const bool tls = scheme == "grpcs";
  nlohmann::json options = nlohmann::json::object();
  const bool v6 = url.host.find(':') != std::string::npos;
  options["url"] = (v6 ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port.value_or(5000));
  if (tls) options["credentials"] = nlohmann::json::object();
  for (const auto& [name, value] : url.query) {
    const bool of_tls = std::find(credential_names.begin(), credential_names.end(), name) != credential_names.end();
    if (of_tls && !tls) bad("\"" + name + "\" needs grpcs://");
    (of_tls ? options["credentials"] : options)[name] = value;
  }
  return options;
}

std::string url_of(const spi::Options& options) {
  std::string urls;
  for (const std::string& url : options.strings("url")) urls += (urls.empty() ? "" : ",") + url;
  return (options.given("credentials") ? "grpcs://" : "grpc://") + urls;
}

}  // namespace ferry::grpc
