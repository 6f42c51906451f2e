// Addresses as URLs: for the command line, and for configs that come from one environment variable.

#include "ferry/error.hpp"
#include "transports/common/url.hpp"
#include "transports/nats/options.hpp"

namespace ferry::nats {
namespace {

using transports::Url;

constexpr std::string_view schemes[] = {"nats", "tls"};
constexpr Url::Form form{.examples = "write nats://user:password@host:port or tls://host:port?ca=file"};

bool is_of_tls(std::string_view name) {
  constexpr std::string_view names[] = {"ca", "cert", "key", "caFile", "certFile", "keyFile", "ciphers", "servername",
                                        "rejectUnauthorized"};
  for (const std::string_view each : names) {
    if (each == name) return true;
  }
  return false;
}

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view url) {
  const Url parsed = Url::parse(url, form);
  if (parsed.scheme != "nats" && parsed.scheme != "tls") Url::refuse(url, "it is no URL of the NATS transport", form);
  if (parsed.path.size() > 1) Url::refuse(url, "nothing may follow the port", form);
  const bool v6 = parsed.host.find(':') != std::string::npos;
  std::string server = parsed.scheme + "://" + (v6 ? "[" + parsed.host + "]" : parsed.host);
  server += ":" + std::to_string(parsed.port.value_or(4222));
  nlohmann::json options = {{"servers", {server}}};
  // A user without a password is a token, in nats.c as in nats.js.
  if (!parsed.password.empty()) options["pass"] = parsed.password;
  if (!parsed.user.empty()) options[parsed.password.empty() ? "token" : "user"] = parsed.user;
  for (const auto& [name, value] : parsed.query) {
    if (name == "servers") Url::refuse(url, "the server stands in the URL itself", form);
    if (name == "tls") Url::refuse(url, "TLS is asked for by tls://, its options by their own names", form);
    if (is_of_tls(name) && parsed.scheme != "tls") Url::refuse(url, "\"" + name + "\" needs tls://", form);
    (is_of_tls(name) ? options["tls"] : options)[name] = value;
  }
  return options;
}

std::string without_secrets(std::string_view server) {
  const std::size_t mark = server.find("://");
  const std::size_t begin = mark == std::string_view::npos ? 0 : mark + 3;
  const std::size_t at = server.rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(server);
  return std::string(server.substr(0, begin)).append(server.substr(at + 1));
}

std::string url_of(const spi::Options& options) {
  std::string all;
  for (const std::string& server : options.strings("servers")) {
    if (!all.empty()) all += ",";
    all += without_secrets(server);
  }
  return all;
}

}  // namespace ferry::nats
