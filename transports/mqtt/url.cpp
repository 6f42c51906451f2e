// Addresses as URLs: NestJS's `url`, the command line's, and for configs that come from one environment variable.

#include <algorithm>
#include <array>

#include "ferry/error.hpp"
#include "transports/common/url.hpp"
#include "transports/mqtt/options.hpp"

namespace ferry::mqtt {
namespace {

using spi::Option;
using spi::OptionKind;
using transports::Url;

constexpr std::string_view schemes[] = {"mqtt", "mqtts"};
constexpr Url::Form form{.authority = true, .examples = "write mqtt://user:password@host:port or mqtts://host?ca=file"};

constexpr Option server_members[] = {
    {"host", OptionKind::string, "\"localhost\"", "name or address"},
    {"port", OptionKind::integer, "", "TCP port", 1, 65535},
};

std::uint16_t usual_port(bool tls) noexcept { return tls ? 8883 : 1883; }

std::string host_text(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

/// mqtt.js's `url`: it takes more spellings than the command line does.
Url parse(const std::string& text) {
  const std::string_view scheme = Url::scheme_of(text);
  if (scheme == "ws" || scheme == "wss") Url::refuse(text, "MQTT over WebSocket is not supported", form);
  constexpr std::array known{"mqtt", "mqtts", "tcp", "ssl", "tls"};
  if (std::find(known.begin(), known.end(), scheme) == known.end()) Url::refuse(text, "it is no URL of the MQTT transport", form);
  const Url url = Url::parse(text, form);
  if (url.path.size() > 1) Url::refuse(text, "nothing follows the port", form);
  return url;
}

bool asks_for_tls(const Url& url) { return url.scheme == "mqtts" || url.scheme == "ssl" || url.scheme == "tls"; }

std::vector<net::Place> read_servers(const spi::Options& options, bool tls) {
  const nlohmann::json& list = options.any("servers");
  const spi::ConfigPlace where = options.place("servers");
  if (!list.is_array() || list.empty()) {
    spi::config_error(where, "no list of servers", "write [{\"host\": \"...\", \"port\": 1883}, ...]");
  }
  std::vector<net::Place> places;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const spi::Options server = spi::Options::parse(list[i], server_members, where.element(i));
    net::Place place;
    place.host = server.string("host");
    place.port = server.has("port") ? static_cast<std::uint16_t>(server.integer("port")) : usual_port(tls);
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

Target read_target(const spi::Options& options) {
  Url url;
  try {
    url = parse(options.string("url"));
    if (!url.query.empty()) Url::refuse(options.string("url"), "options have names of their own beside url", form);
  } catch (const ConfigError& error) {
    spi::config_error(options.place("url"), error.what(), "");
  }
  Target target;
  target.tls = asks_for_tls(url);
  target.username = url.user;
  target.password = url.password;
  if (options.given("servers")) {
    target.places = read_servers(options, target.tls);
  } else {
    net::Place place;
    place.host = url.host;
    place.port = url.port.value_or(usual_port(target.tls));
    target.places.push_back(std::move(place));
  }
  return target;
}

nlohmann::json options_from_url(std::string_view text) {
  const std::string_view scheme = Url::scheme_of(text);
  if (std::find(std::begin(schemes), std::end(schemes), scheme) == std::end(schemes)) {
    Url::refuse(text, "it is no URL of the MQTT transport", form);
  }
  const Url url = parse(std::string(text));
  const bool tls = asks_for_tls(url);
  nlohmann::json options = nlohmann::json::object();
  options["url"] = url.scheme + "://" + host_text(url.host, url.port.value_or(usual_port(tls)));
  if (!url.user.empty()) options["username"] = url.user;
  if (!url.password.empty()) options["password"] = url.password;
  for (const auto& [name, value] : url.query) {
    if (name == "url" || name == "servers") Url::refuse(text, "the URL says already where", form);
    const std::size_t dot = name.find('.');   // subscribeOptions.qos=1
    if (dot == std::string::npos) {
      options[name] = value;
      continue;
    }
    nlohmann::json& object = options[name.substr(0, dot)];
    if (!object.is_null() && !object.is_object()) Url::refuse(text, "\"" + name + "\" and what stands before the dot exclude each other", form);
    object[name.substr(dot + 1)] = value;
  }
  return options;
}

std::string url_of(const net::Place& place, bool tls) { return (tls ? "mqtts://" : "mqtt://") + host_text(place.host, place.port); }

std::string url_of(const spi::Options& options) {
  try {
    const Target target = read_target(options);
    const std::string first = url_of(target.places.front(), target.tls);
    const std::size_t more = target.places.size() - 1;
    return more == 0 ? first : first + " and " + std::to_string(more) + " more";
  } catch (const ConfigError&) {
    return "?";   // whoever makes the client or the service says what is wrong
  }
}

}  // namespace ferry::mqtt
