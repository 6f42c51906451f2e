#pragma once
// What a service listens to, and which handler a topic belongs to.

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/error.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/mqtt/options.hpp"

namespace ferry::mqtt {

/// Views that it gives out last as long as it does.
class Routes {
 public:
  /// False, with `failure` set, if something cannot be subscribed to.
  bool read(const std::vector<spi::Subscription>& subscriptions, const ServerSettings& settings, Failure& failure);
  const std::vector<TopicFilter>& filters() const noexcept { return filters_; }
  bool empty() const noexcept { return filters_.empty(); }

  /// NestJS's rule: the route that is the topic, else the first that matches. Empty if there is none.
  std::string_view find(std::string_view topic) const;

 private:
  struct Wildcard {
    std::string_view filter;   // of `route`, without $share/<group>/
    std::string_view route;
  };

  std::deque<std::string> names_;
  std::unordered_map<std::string_view, std::string_view> exact_;
  std::vector<Wildcard> wildcards_;
  std::vector<TopicFilter> filters_;
};

}  // namespace ferry::mqtt
