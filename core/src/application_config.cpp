#include "application_config.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "resilience/client_options.hpp"

namespace ferry::detail {
namespace {

using spi::ConfigPlace;
using spi::Option;
using spi::OptionKind;
using spi::Options;

constexpr auto no_min = std::numeric_limits<std::int64_t>::min();
constexpr auto no_max = std::numeric_limits<std::int64_t>::max();

constexpr Option application_options[] = {
    {"$schema", OptionKind::string, "", "the JSON Schema an editor checks this file against; not read"},
    {"threads", OptionKind::integer, "0", "event loops, each with a thread; 0: one a core", 0, 1024},
    {"poolThreads", OptionKind::integer, "0", "worker threads of `\"handlers\": \"pool\"`; 0: as many as threads", 0, 4096},
    {"pluginPath", OptionKind::strings, "", "directories searched first for plugins, relative to this file"},
    {"shutdownTimeout", OptionKind::duration, "\"10s\"", "how long a stop may take to drain", 0},
    {"logLevel", OptionKind::string, "", "the least level that is logged",
     std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(), "debug|info|warn|error|off"},
    {"services", OptionKind::any, "{}", "what this application serves, by name"},
    {"clients", OptionKind::any, "{}", "what this application calls, by name"},
};

constexpr Option reconnect_options[] = {
    {"attempts", OptionKind::integer, "-1", "attempts after a loss or a failure; -1: without limit", -1},
    {"backoff", OptionKind::duration, "\"100ms\"", "the wait before the first; doubles, with jitter", 1},
    {"maxBackoff", OptionKind::duration, "\"5s\"", "the longest wait", 1},
};

constexpr Option retry_options[] = {
    {"attempts", OptionKind::integer, "3", "how often an event is handled before it is given up; counts what the broker counts",
     1, 1000},
    {"backoff", OptionKind::duration, "\"100ms\"", "the wait before the second; doubles, with jitter. Others go on meanwhile", 1},
    {"maxBackoff", OptionKind::duration, "\"10s\"", "the longest wait", 1},
    {"maxWaiting", OptionKind::integer, "1000", "events that wait at once; then the transport is held back", 1, 1000000},
};

constexpr Option dead_letter_options[] = {
    {"client", OptionKind::string, "", "the client of this config that sends them", no_min, no_max, "", {}, true},
    {"pattern", OptionKind::string, "", "where they are sent, as events with headers that say why", no_min, no_max, "", {}, true},
};

constexpr Option rate_options[] = {
    {"messages", OptionKind::integer, "", "how many begin in each `per`", 1, 1000000000, "", {}, true},
    {"per", OptionKind::duration, "\"1s\"", "the time they are counted in", 1},
    {"burst", OptionKind::integer, "0", "how many may begin at once after a quiet time; 0: as many as `messages`", 0, 1000000000},
};

constexpr Option service_options[] = {
    {"transport", OptionKind::string, "", "the transport plugin, by name", no_min, no_max, "", {}, true},
    {"serializer", OptionKind::string, "\"json\"", "the serializer plugin, by name; NestJS peers need json"},
    {"options", OptionKind::any, "{}", "the transport's own options"},
    {"handlers", OptionKind::string, "\"loop\"",
     "where handlers run: on the loop that read the message, or on worker threads (for code that blocks)", no_min, no_max,
     "loop|pool"},
    {"maxConcurrency", OptionKind::integer, "10000",
     "messages handled at once; if given, never more. Of messages taken, running or waiting, the transport is held back at about "
     "10000, or so many if that is more", 1, 1000000},
    {"adaptiveConcurrency", OptionKind::boolean, "false",
     "find out how many are handled at once, up to maxConcurrency, by how long they take"},
    {"rateLimit", OptionKind::object, "", "how many messages are handled in a time; the transport is held back beyond it", no_min,
     no_max, "", rate_options},
    {"orderBy", OptionKind::string, "",
     "a JSON pointer into the payload, such as /userId: messages with the same value there are handled one after another, in the "
     "order they came, others at once"},
    {"retry", OptionKind::object, "", "an event whose handler failed is handled again, by this service, before it is settled",
     no_min, no_max, "", retry_options},
    {"deadLetter", OptionKind::object, "", "where events go that are given up, whatever the transport", no_min, no_max, "",
     dead_letter_options},
    {"delivery", OptionKind::string, "",
     "at-least-once: a message is acknowledged after its handler succeeded, never before", no_min, no_max,
     "at-least-once"},
    {"waitOnFirstConnect", OptionKind::boolean, "false",
     "start although the broker is away, and go on trying to reach it; otherwise the start fails"},
    {"reconnect", OptionKind::object, "", "how the service comes back after its broker was lost", no_min, no_max, "",
     reconnect_options},
    {"extensions", OptionKind::boolean, "true", "use what only ferry peers understand (cancel, deadlines), with those"},
};

constexpr Option client_options[] = {
    {"transport", OptionKind::string, "", "the transport plugin, by name; not needed with url"},
    {"url", OptionKind::string, "", "instead of transport and options: tcp://127.0.0.1:3001"},
    {"serializer", OptionKind::string, "\"json\"", "the serializer plugin, by name; NestJS peers need json"},
    {"options", OptionKind::any, "{}", "the transport's own options"},
    {"timeout", OptionKind::duration, "\"30s\"", "the deadline of a request; of a stream, the wait for its next value", 1},
    {"emitTimeout", OptionKind::duration, "\"5s\"", "the deadline of an event", 1},
    {"maxInFlight", OptionKind::integer, "65536", "requests and events under way at once; more are refused", 1,
     static_cast<std::int64_t>(InFlight::max_slots)},
    {"streamBuffer", OptionKind::integer, "1024", "values a stream holds before its service is held back", 1, 1000000},
    {"offlineQueue", OptionKind::boolean, "",
     "calls made without a connection wait for one until their deadline, not just for the next attempt; unless given: "
     "only for a broker that was connected before"},
    {"reconnect", OptionKind::object, "", "how the client comes back after a loss", no_min, no_max, "", reconnect_options},
    {"extensions", OptionKind::boolean, "true", "use what only ferry peers understand (cancel, deadlines), with those"},
    {"retry", OptionKind::object, "", "calls that failed are tried again, within their deadline; unless given: never", no_min,
     no_max, "", call_retry_options},
    {"circuit", OptionKind::object, "", "requests are refused while most of them fail; unless given: never", no_min, no_max, "",
     circuit_options},
    {"limit", OptionKind::object, "", "requests wait while too many are under way; unless given: maxInFlight alone", no_min,
     no_max, "", limit_options},
};

Options read_table(const Config& config, spi::OptionTable table, const nlohmann::json& value, std::string pointer) {
  return Options::parse(value, table, ConfigPlace{config.file(), std::move(pointer)});
}

/// Plugins and URLs are looked at without knowing where in the config they stand, so their refusals are told here.
template <class F>
auto at(const ConfigPlace& place, F look) {
  try {
    return look();
  } catch (const PluginError& error) {
    throw PluginError(errc::plugin_refused, place.text() + ": " + error.what(), Fate::not_sent);
  } catch (const ConfigError& error) {
    spi::config_error(place, error.what(), {});
  }
}

const nlohmann::json& object_of(const Options& options, std::string_view name) {
  const nlohmann::json& value = options.any(name);
  if (!value.is_object()) spi::config_error(options.place(name), value.dump(), "expected an object of names");
  return value;
}

const spi::Serializer* read_serializer(const Options& options, const Plugins& plugins, const spi::Transport& transport) {
  const std::string name = options.string("serializer");
  if (name != "json" && !transport.capabilities().custom_serializer) {
    spi::config_error(options.place("serializer"), '"' + name + '"',
                      "the transport " + std::string(transport.name()) + " has a message format of its own; leave it out");
  }
  return at(options.place("serializer"), [&] { return &transport.serializer(plugins.serializer(name)); });
}

spi::ReconnectPolicy read_reconnect(const Options& options) {
  const Options reconnect = options.object("reconnect");
  return {reconnect.integer("attempts"), reconnect.duration("backoff"), reconnect.duration("maxBackoff")};
}

AdmissionSettings read_admission(const Options& options) {
  AdmissionSettings admission;
  const auto concurrency = static_cast<std::size_t>(options.integer("maxConcurrency"));
  const bool adaptive = options.boolean("adaptiveConcurrency");
  if (options.given("maxConcurrency") || adaptive) admission.max_concurrency = concurrency;
  if (adaptive) admission.least_concurrency = 1;
  if (options.given("rateLimit")) {
    const Options rate = options.object("rateLimit");
    const std::int64_t messages = rate.integer("messages");
    const std::int64_t burst = rate.integer("burst");
    admission.rate = RateSettings{messages, rate.duration("per"), burst == 0 ? messages : burst};
  }
  if (options.given("orderBy")) {
    const std::string pointer = options.string("orderBy");
    try {
      admission.order_by.emplace(pointer);
    } catch (const nlohmann::json::exception&) {
      spi::config_error(options.place("orderBy"), '"' + pointer + '"', "expected a JSON pointer: /userId, /order/customer");
    }
  }
  return admission;
}

/// Also where only a dead-letter destination is named: then the first failure is the last.
std::optional<RetrySettings> read_retry(const Options& options) {
  if (!options.given("retry") && !options.given("deadLetter")) return std::nullopt;
  RetrySettings retry;
  if (!options.given("retry")) return retry;
  const Options from = options.object("retry");
  retry.attempts = static_cast<std::uint32_t>(from.integer("attempts"));
  retry.poison = true;
  retry.backoff = from.duration("backoff");
  retry.max_backoff = from.duration("maxBackoff");
  retry.max_waiting = static_cast<std::size_t>(from.integer("maxWaiting"));
  return retry;
}

ServiceConfig read_service(const std::string& name, const Options& options, const Plugins& plugins) {
  ServiceConfig service;
  service.settings.name = name;
  service.settings.pool = options.string("handlers") == "pool";
  service.settings.max_concurrency = static_cast<std::size_t>(options.integer("maxConcurrency"));
  service.settings.admission = read_admission(options);
  service.settings.retry = read_retry(options);
  if (options.given("deadLetter")) {
    const Options to = options.object("deadLetter");
    service.dead_letter = DeadLetterConfig{to.string("client"), to.string("pattern")};
  }
  service.extensions = options.boolean("extensions");
  service.settings.at_least_once = options.given("delivery");
  service.settings.wait_on_first_connect = options.boolean("waitOnFirstConnect");
  service.transport =
      at(options.place("transport"), [&] { return &plugins.transport(options.string("transport")); });
  service.options = Options::parse(options.any("options"), service.transport->server_options(), options.place("options"));
  service.settings.promises = service.transport->capabilities(service.options);
  if (service.settings.at_least_once && !service.settings.promises.at_least_once) {
    spi::config_error(options.place("delivery"), "\"at-least-once\"",
                      "the transport " + std::string(service.transport->name()) +
                          " keeps no message for a service that is away; leave it out, or choose another transport");
  }
  service.serializer = read_serializer(options, plugins, *service.transport);
  service.settings.reconnect = service.transport->reconnect_policy(service.options, read_reconnect(options));
  return service;
}

ClientConfig read_client(const std::string& name, const Options& options, const Plugins& plugins) {
  ClientConfig client;
  ClientSettings& settings = client.settings;
  settings.name = name;
  settings.timeout = options.duration("timeout");
  settings.emit_timeout = options.duration("emitTimeout");
  settings.max_in_flight = static_cast<std::size_t>(options.integer("maxInFlight"));
  settings.stream_buffer = static_cast<std::size_t>(options.integer("streamBuffer"));
  settings.resilience = read_resilience(options, settings);
  if (options.given("offlineQueue")) settings.offline_queue = options.boolean("offlineQueue");
  client.extensions = options.boolean("extensions");
  nlohmann::json transport_options = options.any("options");
  if (options.given("url") == options.given("transport")) {
    spi::config_error(options.place(), options.given("url") ? "both url and transport" : "neither url nor transport",
                      "give one of them");
  }
  if (options.given("url")) {
    const std::string url = options.string("url");
    client.transport = at(options.place("url"), [&] { return &plugins.transport_for_url(url); });
    nlohmann::json from_url = at(options.place("url"), [&] { return client.transport->options_from_url(url); });
    if (transport_options.is_object()) {
      from_url.update(transport_options);
    } else if (!transport_options.is_null()) {
      spi::config_error(options.place("options"), "found " + transport_options.dump(), "expected an object");
    }
    transport_options = std::move(from_url);
  } else {
    client.transport = at(options.place("transport"), [&] { return &plugins.transport(options.string("transport")); });
  }
  client.serializer = read_serializer(options, plugins, *client.transport);
  client.options = Options::parse(transport_options, client.transport->client_options(), options.place("options"));
  settings.promises = client.transport->capabilities(client.options);
  if (!settings.offline_queue && client.transport->offline_queue(client.options)) settings.offline_queue = true;
  settings.reconnect = client.transport->reconnect_policy(client.options, read_reconnect(options));
  return client;
}

}  // namespace

spi::OptionTable application_table() noexcept { return application_options; }
spi::OptionTable service_table() noexcept { return service_options; }
spi::OptionTable client_table() noexcept { return client_options; }

ApplicationSettings read_application(const Config& config) {
  const Options options = read_table(config, application_options, config.root(), "");
  ApplicationSettings settings;
  settings.threads = static_cast<std::size_t>(options.integer("threads"));
  settings.pool_threads = static_cast<std::size_t>(options.integer("poolThreads"));
  settings.shutdown_timeout = options.duration("shutdownTimeout");
  for (const char* const section : {"services", "clients"}) object_of(options, section);
  for (const std::string& path : options.strings("pluginPath")) settings.plugin_path.push_back(config.directory() / path);
  if (options.given("logLevel")) {
    const std::string level = options.string("logLevel");
    for (const LogLevel one : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::off}) {
      if (to_string(one) == level) settings.log_level = one;
    }
  }
  return settings;
}

ServiceConfig read_service(const Config& config, const std::string& name, const nlohmann::json& value,
                           const Plugins& plugins) {
  const ConfigPlace place = ConfigPlace{config.file(), "/services"}.member(name);
  return read_service(name, Options::parse(value, service_options, place), plugins);
}

ClientConfig read_client(const Config& config, const std::string& name, const nlohmann::json& value,
                         const Plugins& plugins) {
  const ConfigPlace place = ConfigPlace{config.file(), "/clients"}.member(name);
  return read_client(name, Options::parse(value, client_options, place), plugins);
}

std::vector<ServiceConfig> read_services(const Config& config, const Plugins& plugins) {
  const Options root = read_table(config, application_options, config.root(), "");
  std::vector<ServiceConfig> services;
  for (const auto& [name, value] : object_of(root, "services").items()) {
    services.push_back(read_service(config, name, value, plugins));
  }
  return services;
}

std::vector<ClientConfig> read_clients(const Config& config, const Plugins& plugins) {
  const Options root = read_table(config, application_options, config.root(), "");
  std::vector<ClientConfig> clients;
  for (const auto& [name, value] : object_of(root, "clients").items()) {
    clients.push_back(read_client(config, name, value, plugins));
  }
  return clients;
}

std::unique_ptr<spi::ServerTransport> make_server(const ServiceConfig& from, const Config& config, spi::Loop& loop,
                                                  std::vector<spi::Loop*> loops, spi::ServerSink& sink) {
  spi::ServerEnvironment environment;
  environment.name = from.settings.name;
  environment.loop = &loop;
  environment.loops = std::move(loops);
  environment.serializer = from.serializer;
  environment.options = from.options;
  environment.directory = config.directory().string();
  environment.at_least_once = from.settings.at_least_once;
  environment.extensions = from.extensions;
  return from.transport->make_server(std::move(environment), sink);
}

std::unique_ptr<spi::ClientTransport> make_client(const ClientConfig& from, const Config& config, spi::Loop& loop,
                                                  spi::ClientSink& sink) {
  spi::ClientEnvironment environment;
  environment.name = from.settings.name;
  environment.loop = &loop;
  environment.serializer = from.serializer;
  environment.options = from.options;
  environment.directory = config.directory().string();
  environment.extensions = from.extensions;
  return from.transport->make_client(std::move(environment), sink);
}

}  // namespace ferry::detail
