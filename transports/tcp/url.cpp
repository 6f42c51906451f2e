// Addresses as URLs: for the command line, and for configs that come from one environment variable.

#include <algorithm>
#include <array>

#include "ferry/error.hpp"
#include "transports/tcp/options.hpp"
#include "transports/common/net/wire.hpp"
#include "transports/common/url.hpp"

namespace ferry::tcp {
namespace {

using transports::Url;

constexpr std::string_view schemes[] = {"tcp", "tcps", "tcp+unix"};
constexpr std::string_view examples = "write tcp://host:port, tcps://host:port?ca=file or tcp+unix:///path";
constexpr std::array tls_names{"key", "cert", "ca", "passphrase", "ciphers", "minVersion", "maxVersion",
                               "rejectUnauthorized", "servername", "checkServerIdentity", "requestCert"};

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view text) {
  const std::string_view scheme = Url::scheme_of(text);
  const Url::Form form{.authority = scheme != "tcp+unix", .examples = examples};
  const auto bad = [&](std::string_view why) { Url::refuse(text, why, form); };
  if (std::find(std::begin(schemes), std::end(schemes), scheme) == std::end(schemes)) {
    bad("it is no URL of the TCP transport");
  }
  const Url url = Url::parse(text, form);
  if (!url.user.empty() || !url.password.empty()) bad("the TCP transport knows no user names");
  if (form.authority && url.path.size() > 1) bad("nothing may follow the port");
  const bool tls = scheme == "tcps";
  nlohmann::json options = nlohmann::json::object();
  if (tls) options["tlsOptions"] = nlohmann::json::object();
  if (form.authority) options["host"] = url.host;
  else options["path"] = url.path;
  if (url.port) options["port"] = *url.port;
  for (const auto& [name, value] : url.query) {
    if (name == "tlsOptions") bad("TLS is asked for by tcps://, its options by their own names");
    const bool of_tls = std::find(tls_names.begin(), tls_names.end(), name) != tls_names.end();
    if (of_tls && !tls) bad("\"" + name + "\" needs tcps://");
    (of_tls ? options["tlsOptions"] : options)[name] = value;
  }
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
