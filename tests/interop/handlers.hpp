#pragma once

#include <functional>

#include "ferry/ferry.hpp"

namespace ferry::test {

/// The handlers of nest/service.mjs, in ferry. `heard` is told of each event handler's run, as service.mjs prints it.
void add_nest_handlers(Application& app, std::function<void(nlohmann::json)> heard);

}  // namespace ferry::test
