#pragma once
// From a received pattern to its handlers.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/handler.hpp"
#include "ferry/pattern.hpp"
#include "ferry/spi/serializer.hpp"
#include "ferry/spi/transport.hpp"

namespace ferry::detail {

/// A handler as it was registered.
struct Registration {
  Pattern pattern;
  bool event = false;
  std::shared_ptr<Handler> handler;
  nlohmann::json extras = {};
};

/// What a route leads to. A message handler hides the event handlers of its route, as in NestJS.
struct RouteEntry {
  std::string route;
  std::shared_ptr<Handler> message;
  std::vector<std::shared_ptr<Handler>> events;
};

/// Built before the service starts, then read-only: looked up from every loop at once.
class Router {
 public:
  /// The last of several message handlers on a route wins; event handlers are kept in order.
  void add(const Registration& registration);

  /// Null if nothing is registered for it.
  const RouteEntry* find(const spi::RequestView& view) const;
  std::vector<spi::Subscription> subscriptions() const;
  const std::vector<std::unique_ptr<RouteEntry>>& entries() const noexcept { return entries_; }
  /// Routes no message can reach, since what arrives is looked up in canonical form: `"1.0"`, `"{ \"a\":1 }"`.
  std::vector<std::string> unreachable() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };
  using Index = std::unordered_map<std::string, RouteEntry*, Hash, std::equal_to<>>;

  const RouteEntry* by_route(std::string_view route) const;

  std::vector<std::unique_ptr<RouteEntry>> entries_;
  std::unordered_map<std::string, nlohmann::json> extras_;
  Index routes_;
  Index spellings_;   // JSON texts that need no parsing: the canonical one and the one registered
};

}  // namespace ferry::detail
