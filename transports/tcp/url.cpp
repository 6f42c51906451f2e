// Addresses as URLs: for the command line, and for configs that come from one environment variable.

#include <algorithm>
#include <array>
#include <charconv>

#include "ferry/error.hpp"
#include "transports/tcp/options.hpp"
#include "transports/tcp/wire.hpp"

namespace ferry::tcp {
namespace {

constexpr std::string_view schemes[] = {"tcp", "tcps", "tcp+unix"};

[[noreturn]] void bad_url(std::string_view url, std::string_view why) {
  throw ConfigError(errc::bad_config, "\"" + std::string(url) + "\": " + std::string(why) +
                                          "; write tcp://host:port, tcps://host:port?ca=file or tcp+unix:///path");
}

std::string percent_decode(std::string_view url, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
      bad_url(url, "% must be followed by two hexadecimal digits");
    }
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

void read_authority(std::string_view url, std::string_view authority, nlohmann::json& options) {
  if (authority.find('@') != std::string_view::npos) bad_url(url, "the TCP transport knows no user names");
  std::string_view host = authority;
  std::string_view port;
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
    unsigned number = 0;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || number > 65535) {
      bad_url(url, "\"" + std::string(port) + "\" is no port");
    }
    options["port"] = number;
  }
  if (host.starts_with('[') != host.ends_with(']')) bad_url(url, "an IPv6 address stands between [ and ]");
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host.empty()) bad_url(url, "it names no host");
  options["host"] = percent_decode(url, host);
}

void read_query(std::string_view url, std::string_view query, bool tls, nlohmann::json& options) {
  constexpr std::array tls_names{"key", "cert", "ca", "passphrase", "ciphers", "minVersion", "maxVersion",
                                 "rejectUnauthorized", "servername", "checkServerIdentity", "requestCert"};
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) bad_url(url, "\"" + std::string(item) + "\" has no value");
    const std::string name = percent_decode(url, item.substr(0, equals));
    const std::string value = percent_decode(url, item.substr(equals + 1));
    if (name == "tlsOptions") bad_url(url, "TLS is asked for by tcps://, its options by their own names");
    const bool of_tls = std::find(tls_names.begin(), tls_names.end(), name) != tls_names.end();
    if (of_tls && !tls) bad_url(url, "\"" + name + "\" needs tcps://");
    (of_tls ? options["tlsOptions"] : options)[name] = value;
  }
}

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view url) {
  const std::size_t mark = url.find("://");
  const std::string_view scheme = url.substr(0, mark);
  if (mark == std::string_view::npos || std::find(std::begin(schemes), std::end(schemes), scheme) == std::end(schemes)) {
    bad_url(url, "it is no URL of the TCP transport");
  }
  std::string_view rest = url.substr(mark + 3);
  std::string_view query;
  if (const std::size_t question = rest.find('?'); question != std::string_view::npos) {
    query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  const bool tls = scheme == "tcps";
  nlohmann::json options = nlohmann::json::object();
  if (tls) options["tlsOptions"] = nlohmann::json::object();
  if (scheme == "tcp+unix") {
    if (rest.empty()) bad_url(url, "it names no path");
    options["path"] = percent_decode(url, rest);
  } else {
    const std::size_t slash = rest.find('/');
    if (slash != std::string_view::npos && slash + 1 != rest.size()) bad_url(url, "nothing may follow the port");
    read_authority(url, rest.substr(0, slash), options);
  }
  read_query(url, query, tls, options);
  return options;
}

std::string url_of(const spi::Options& options) {
  Address address;
  address.path = options.string("path");
  if (address.path.empty()) address.address = options.string("host");
  address.port = static_cast<std::uint16_t>(options.integer("port"));
  address.v6 = address.address.find(':') != std::string::npos;
  return address.url(options.given("tlsOptions"));
}

}  // namespace ferry::tcp
