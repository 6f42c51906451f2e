// Addresses as URLs: for the command line, and for configs that come from one environment variable.

#include <random>

#include "ferry/error.hpp"
#include "transports/common/url.hpp"
#include "transports/kafka/options.hpp"

namespace ferry::kafka {
namespace {

using transports::Url;

constexpr std::string_view schemes[] = {"kafka", "kafkas"};
constexpr Url::Form form{.authority = false, .examples = "write kafka://host:port or kafka://user:password@host:port,host:port?client.clientId=me, kafkas:// for TLS"};

}  // namespace

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view url) {
  const Url parsed = Url::parse(url, form);   // several hosts: to it a path
  if (parsed.scheme != "kafka" && parsed.scheme != "kafkas") Url::refuse(url, "it is no URL of the Kafka transport", form);
  std::string_view rest = parsed.path;
  nlohmann::json options;
  nlohmann::json& client = options["client"];
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    const std::size_t colon = user.find(':');
    if (colon == std::string_view::npos) Url::refuse(url, "a user needs a password", form);
    client["sasl"] = {{"mechanism", "plain"}, {"username", user.substr(0, colon)}, {"password", user.substr(colon + 1)}};
    rest.remove_prefix(at + 1);
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find('/') != std::string_view::npos) Url::refuse(url, "nothing may follow the brokers", form);
  nlohmann::json& brokers = client["brokers"] = nlohmann::json::array();
  while (!rest.empty()) {
    std::string broker(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(rest.size(), broker.size() + 1));
    if (broker.empty()) Url::refuse(url, "a broker has no name", form);
    const std::size_t colon = broker.rfind(':');
    if (colon == std::string::npos || broker.ends_with(']')) broker += ":9092";
    brokers.push_back(std::move(broker));
  }
  if (brokers.empty()) Url::refuse(url, "it names no broker", form);
  if (parsed.scheme == "kafkas") client["ssl"] = true;
  for (const auto& [name, value] : parsed.query) {
    const std::size_t dot = name.find('.');
    const std::string member = dot == std::string::npos ? name : name.substr(dot + 1);
    if (name == "client.brokers") Url::refuse(url, "the brokers stand in the URL itself", form);
    (dot == std::string::npos ? options : options[name.substr(0, dot)])[member] = value;
  }
  return options;
}

nlohmann::json replay_options() {
  std::random_device random;
  std::string group = "ferry-replay-";
  for (int i = 0; i < 2; ++i) group += std::to_string(random());
  return {{"consumer", {{"groupId", group}}}, {"subscribe", {{"fromBeginning", true}}}, {"observe", true}};
}

std::string url_of(const spi::Options& options) {
  std::string all = "kafka://";
  bool first = true;
  for (const std::string& broker : options.object("client").strings("brokers")) {
    if (!std::exchange(first, false)) all += ",";
    all += broker;
  }
  return all;
}

}  // namespace ferry::kafka
