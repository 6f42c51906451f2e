// Addresses as URLs: what stands in `urls`, and what the command line is given.

#include <charconv>

#include "ferry/error.hpp"
#include "transports/common/url.hpp"
#include "transports/rmq/options.hpp"

namespace ferry::rmq {
namespace {

using transports::Url;

constexpr std::string_view schemes[] = {"amqp", "amqps"};
constexpr Url::Form form{.examples = "write amqp://user:password@host:port/vhost or amqps://host"};

constexpr std::uint16_t plain_port = 5672;
constexpr std::uint16_t tls_port = 5671;

bool is_of_connection(std::string_view name) { return name == "heartbeat" || name == "frameMax"; }

bool is_of_tls(std::string_view name) {
  for (const spi::Option& option : net::tls_client_options) {
    if (option.name == name) return true;
  }
  return false;
}

std::size_t number_of(std::string_view url, const std::string& name, const std::string& text) {
  std::size_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) Url::refuse(url, name + " must be a number", form);
  return value;
}

std::string host_text(const Url& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  const std::uint16_t port = url.port.value_or(url.scheme == "amqps" ? tls_port : plain_port);
  return (v6 ? "[" + url.host + "]" : url.host) + ":" + std::to_string(port);
}

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

Target read_url(std::string_view url, Access& access) {
  const Url parsed = Url::parse(url, form);
  if (parsed.scheme != "amqp" && parsed.scheme != "amqps") Url::refuse(url, "it is no URL of the RabbitMQ transport", form);
  Target target;
  target.place.host = parsed.host;
  target.place.port = parsed.port.value_or(parsed.scheme == "amqps" ? tls_port : plain_port);
  target.user = parsed.user.empty() ? "guest" : parsed.user;
  target.password = parsed.user.empty() ? "guest" : parsed.password;
  target.vhost = parsed.path.size() > 1 ? parsed.path.substr(1) : "/";
  target.name = parsed.scheme + "://" + host_text(parsed) + (target.vhost == "/" ? "" : "/" + target.vhost);
  for (const auto& [name, value] : parsed.query) {
    if (!is_of_connection(name)) Url::refuse(url, "\"" + name + "\" is no parameter of a URL: heartbeat and frameMax are", form);
    const std::size_t number = number_of(url, name, value);
    if (name == "heartbeat") access.heartbeat = std::chrono::seconds(number);
    else access.frame_max = number;
  }
  return target;
}

/// What belongs to the connection stays in the URL; other options get their own names.
nlohmann::json options_from_url(std::string_view url) {
  const Url parsed = Url::parse(url, form);
  std::string plain(url.substr(0, url.find('?')));
  nlohmann::json options = nlohmann::json::object();
  char mark = '?';
  for (const auto& [name, value] : parsed.query) {
    if (name == "urls") Url::refuse(url, "the broker stands in the URL itself", form);
    if (is_of_tls(name) && parsed.scheme != "amqps") Url::refuse(url, "\"" + name + "\" needs amqps://", form);
    if (is_of_connection(name)) plain += mark + name + "=" + value, mark = '&';
    else if (is_of_tls(name)) options["socketOptions"]["connectionOptions"][name] = value;
    else options[name] = value;
  }
  Access ignored;
  read_url(plain, ignored);
  options["urls"] = {plain};
  return options;
}

}  // namespace ferry::rmq
