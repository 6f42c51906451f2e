// Addresses as URLs: for the command line, and for configs that come from one environment variable.

#include <algorithm>
#include <array>
#include <charconv>

#include "ferry/error.hpp"
#include "transports/common/url.hpp"
#include "transports/redis/options.hpp"

namespace ferry::redis {
namespace {

using transports::Url;

constexpr std::string_view schemes[] = {"redis", "rediss", "redis+unix"};
constexpr std::string_view examples =
    "write redis://user:password@host:port/db, rediss://host:port?ca=file or redis+unix:///path?db=0";
constexpr std::array tls_names{"key", "cert", "ca", "passphrase", "ciphers", "minVersion", "maxVersion",
                               "rejectUnauthorized", "servername", "checkServerIdentity"};

std::string host_text(const std::string& host, std::int64_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

/// The first of a list of servers, and how many more.
std::string list_text(const nlohmann::json& list, std::int64_t usual_port) {
  if (!list.is_array() || list.empty() || !list[0].is_object()) return "?";
  const nlohmann::json port = list[0].value("port", nlohmann::json(usual_port));
  const nlohmann::json host = list[0].value("host", nlohmann::json("localhost"));
  const std::string first = (host.is_string() ? host.get<std::string>() : host.dump()) + ':' +
                            (port.is_string() ? port.get<std::string>() : port.dump());
  return list.size() == 1 ? first : first + " and " + std::to_string(list.size() - 1) + " more";
}

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view text) {
  const std::string_view scheme = Url::scheme_of(text);
  const Url::Form form{.authority = scheme != "redis+unix", .examples = examples};
  const auto bad = [&](std::string_view why) { Url::refuse(text, why, form); };
  if (std::find(std::begin(schemes), std::end(schemes), scheme) == std::end(schemes)) {
    bad("it is no URL of the Redis transport");
  }
  const Url url = Url::parse(text, form);
  const bool tls = scheme == "rediss";
  nlohmann::json options = nlohmann::json::object();
  if (tls) options["tls"] = nlohmann::json::object();
  if (form.authority) {
    options["host"] = url.host;
    if (url.port) options["port"] = *url.port;
    if (url.path.size() > 1) {
      const std::string_view number = std::string_view(url.path).substr(1);
      std::int64_t db = 0;
      const auto parsed = std::from_chars(number.data(), number.data() + number.size(), db);
      if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size() || db < 0) {
        bad("what follows the port must be the number of a database");
      }
      options["db"] = db;
    }
  } else {
    options["path"] = url.path;
  }
  if (!url.user.empty()) options["username"] = url.user;
  if (!url.password.empty()) options["password"] = url.password;
  for (const auto& [name, value] : url.query) {
    if (name == "tls") bad("TLS is asked for by rediss://, its options by their own names");
    const bool of_tls = std::find(tls_names.begin(), tls_names.end(), name) != tls_names.end();
    if (of_tls && !tls) bad("\"" + name + "\" needs rediss://");
    const std::size_t dot = name.find('.');   // streams.group=math
    if (dot != std::string::npos && name.substr(0, dot) == "streams") options["streams"][name.substr(dot + 1)] = value;
    else (of_tls ? options["tls"] : options)[name] = value;
  }
  return options;
}

std::string url_of(const net::Place& place, bool tls) {
  if (!place.path.empty()) return "redis+unix://" + place.path;
  return (tls ? "rediss://" : "redis://") + host_text(place.host, place.port);
}

std::string url_of(const spi::Options& options) {
  const bool tls = options.given("tls");
  if (options.has("path")) return "redis+unix://" + options.string("path");
  const std::string scheme = tls ? "rediss://" : "redis://";
  if (options.given("sentinels")) {
    return scheme + options.string("name") + " by the sentinels at " + list_text(options.any("sentinels"), 26379);
  }
  if (options.given("nodes")) return scheme + list_text(options.any("nodes"), 6379);
  const std::int64_t db = options.integer("db");
  return scheme + host_text(options.string("host"), options.integer("port")) + (db == 0 ? "" : '/' + std::to_string(db));
}

}  // namespace ferry::redis
