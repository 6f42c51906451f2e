#include "transports/mqtt/routes.hpp"

#include <algorithm>

#include "transports/mqtt/topic.hpp"

namespace ferry::mqtt {
namespace {

bool read_qos(const spi::Subscription& subscription, bool at_least_once, SubscriptionOptions& options, Failure& failure) {
  if (!subscription.extras.is_object() || !subscription.extras.contains("qos")) return true;
  const nlohmann::json& qos = subscription.extras["qos"];
  const int least = at_least_once ? 1 : 0;
  if (!qos.is_number_integer() || qos < least || qos > 2) {
    failure = Failure(errc::bad_config, "the pattern \"" + subscription.route + "\" has the extra qos " + qos.dump() + "; it is " +
                                            (at_least_once ? "1 or 2 where delivery is at-least-once" : "0, 1 or 2"), Fate::not_sent);
    return false;
  }
  options.qos = qos.get<std::uint8_t>();
  return true;
}

}  // namespace

bool Routes::read(const std::vector<spi::Subscription>& subscriptions, const ServerSettings& settings, Failure& failure) {
  for (const spi::Subscription& each : subscriptions) {
    TopicFilter filter{each.route, settings.subscribe};
    const SharedFilter parts = split_shared(each.route);
    if (!settings.group.empty() && parts.group.empty()) filter.filter = "$share/" + settings.group + '/' + each.route;
    // No Local on a shared subscription is a protocol error.
    if (!split_shared(filter.filter).group.empty()) filter.options.no_local = false;
    if (!is_filter(filter.filter)) {
      failure = Failure(errc::bad_config,
                        "the pattern \"" + each.route + "\" cannot be an MQTT topic filter; + stands alone between slashes, # alone "
                        "at the end, and no text is longer than 65535 bytes", Fate::not_sent);
      return false;
    }
    if (!read_qos(each, settings.at_least_once, filter.options, failure)) return false;
    const std::string_view name = names_.emplace_back(each.route);
    const std::string_view plain = split_shared(name).filter;
    if (has_wildcard(plain)) wildcards_.push_back({plain, name});
    else exact_.emplace(plain, name);
    filters_.push_back(std::move(filter));
  }
  return true;
}

std::string_view Routes::find(std::string_view topic) const {
  if (const auto found = exact_.find(topic); found != exact_.end()) return found->second;
  const auto wild = std::find_if(wildcards_.begin(), wildcards_.end(), [topic](const Wildcard& each) { return matches(each.filter, topic); });
  return wild == wildcards_.end() ? std::string_view() : wild->route;
}

}  // namespace ferry::mqtt
