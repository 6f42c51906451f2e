#pragma once
// ferry's side: the handlers of nest/service.mjs, a service that has them, a client.

#include "../support/await.hpp"
#include "ferry/ferry.hpp"
#include "peers.hpp"

namespace ferry::test {

/// The handlers of nest/service.mjs for this transport, in ferry. `heard` is told of each event handler's run, as
/// service.mjs prints it.
void add_nest_handlers(Application& app, const std::function<void(nlohmann::json)>& heard);

/// A ferry service with every handler of nest/service.mjs. It logs nothing: handlers fail on purpose.
class FerryService {
 public:
  explicit FerryService(Place& place, const nlohmann::json& options = nlohmann::json::object());

  Application& app() { return app_; }

  Watched<nlohmann::json> heard{nlohmann::json::array()};   ///< the runs of event handlers, in order

 private:
  Application app_;
};

/// With a client named NEST.
Application ferry_client(const Place& place, const nlohmann::json& options = nlohmann::json::object());

}  // namespace ferry::test
