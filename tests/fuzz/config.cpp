// Config files: the document, and all that core and the plugins read out of it before anything starts.

#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "application_config.hpp"
#include "ferry/config.hpp"
#include "ferry/detail/utf.hpp"
#include "ferry/error.hpp"
#include "ferry/log.hpp"
#include "ferry/plugins.hpp"
#include "target.hpp"
#include "transports/tcp/options.hpp"

namespace ferry::fuzz {
namespace {

using nlohmann::json;

const std::string file = "input.json";

void set_environment() {
  ::unsetenv("FERRY_PLUGIN_PATH");
  ::setenv("PORT", "3001", 1);
  ::setenv("EMPTY", "", 1);
  ::setenv("TEXT", "a ${PORT} $${b} \xC3\xA9", 1);   // what comes out of a variable is not expanded again
  ::setenv("BINARY", "\xFF", 1);
}

/// Calls `read`, which may refuse the config, and then has to say where.
template <class F>
bool reads(F read) {
  try {
    read();
    return true;
  } catch (const ConfigError& error) {
    FUZZ_CHECK(std::string_view(error.what()).find(file) != std::string_view::npos);
    FUZZ_CHECK(error.fate() == Fate::not_sent);
    return false;
  }
}

/// What was expanded is what stands there, except for strings with a `${`.
void check_expanded(const json& given, const json& expanded) {
  FUZZ_CHECK(given.type() == expanded.type() && given.size() == expanded.size());
  if (given.is_object()) {
    for (const auto& [key, member] : given.items()) check_expanded(member, expanded.at(key));
  } else if (given.is_array()) {
    for (std::size_t i = 0; i < given.size(); ++i) check_expanded(given[i], expanded[i]);
  } else if (!given.is_string() || given.get_ref<const std::string&>().find("${") == std::string::npos) {
    FUZZ_CHECK(given == expanded);
  } else {
    FUZZ_CHECK(detail::is_valid_utf8(expanded.get_ref<const std::string&>()));
  }
}

/// Every getter of the table gives what the table promises.
void check_options(const spi::Options& options, spi::OptionTable table) {
  for (const spi::Option& option : table) {
    const auto in_range = [&](std::int64_t value) { return value >= option.min && value <= option.max; };
    FUZZ_CHECK(options.has(option.name) || (option.fallback.empty() && !option.required));
    FUZZ_CHECK(!options.given(option.name) || options.has(option.name));
    if (option.kind == spi::OptionKind::object) check_options(options.object(option.name), option.members);
    if (!options.has(option.name)) continue;
    switch (option.kind) {
      case spi::OptionKind::boolean: static_cast<void>(options.boolean(option.name)); break;
      case spi::OptionKind::integer: FUZZ_CHECK(in_range(options.integer(option.name))); break;
      case spi::OptionKind::number: static_cast<void>(options.number(option.name)); break;
      case spi::OptionKind::string:
        FUZZ_CHECK(option.choices.empty() || option.choices.find(options.string(option.name)) != option.choices.npos);
        break;
      case spi::OptionKind::duration: FUZZ_CHECK(in_range(options.duration(option.name).count())); break;
      case spi::OptionKind::size: FUZZ_CHECK(in_range(static_cast<std::int64_t>(options.size(option.name)))); break;
      case spi::OptionKind::strings: static_cast<void>(options.strings(option.name)); break;
      case spi::OptionKind::map_of_strings: static_cast<void>(options.map_of_strings(option.name)); break;
      case spi::OptionKind::any: static_cast<void>(options.any(option.name)); break;
      case spi::OptionKind::object: break;
    }
  }
}

/// The TCP plugin's own reading. TLS is left out: it opens the files that are named.
void check_tcp(const std::string& directory, const spi::Options& options, bool client) {
  if (options.given("tlsOptions")) return;
  reads([&] {
    if (client) {
      spi::ClientEnvironment environment;
      environment.options = options;
      environment.directory = directory;
      FUZZ_CHECK(tcp::client_settings(environment).limits.max_buffer > 0);
    } else {
      spi::ServerEnvironment environment;
      environment.options = options;
      environment.directory = directory;
      FUZZ_CHECK(tcp::server_settings(environment).max_connections > 0);
    }
  });
}

void check_services(const Config& config, const Plugins& plugins) {
  for (const detail::ServiceConfig& service : detail::read_services(config, plugins)) {
    FUZZ_CHECK(service.transport != nullptr && service.serializer != nullptr && service.settings.max_concurrency > 0);
    check_options(service.options, service.transport->server_options());
    if (service.transport->name() == "tcp") check_tcp(config.directory().string(), service.options, false);
  }
}

void check_clients(const Config& config, const Plugins& plugins) {
  for (const detail::ClientConfig& client : detail::read_clients(config, plugins)) {
    FUZZ_CHECK(client.transport != nullptr && client.serializer != nullptr && client.settings.max_in_flight > 0);
    FUZZ_CHECK(client.settings.timeout.count() > 0 && client.settings.reconnect.backoff.count() > 0);
    check_options(client.options, client.transport->client_options());
    if (client.transport->name() == "tcp") check_tcp(config.directory().string(), client.options, true);
  }
}

}  // namespace

void run(std::string_view input) {
  static const Plugins plugins = [] {
    set_environment();
    return Plugins();
  }();
  reads([&] {
    const Config config = Config::from_text(input, file);
    const json given = json::parse(input, nullptr, false, true);
    FUZZ_CHECK(!given.is_discarded() && given.is_object());
    FUZZ_CHECK(input.find('\0') == input.npos);   // a parser that stops there would ignore the rest
    check_expanded(given, config.root());
    reads([&] { static_cast<void>(detail::read_application(config)); });
    set_log_level(LogLevel::off);
    reads([&] { check_services(config, plugins); });
    reads([&] { check_clients(config, plugins); });
  });
}

}  // namespace ferry::fuzz
