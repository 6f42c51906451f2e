#pragma once

#include <string>

namespace ferry {

class Application;

/// What `Application::services` and `Application::clients` know, as Prometheus reads it (text exposition format 0.0.4): the body
/// of `GET /metrics` in whatever serves HTTP in the program. Content type: `text/plain; version=0.0.4`.
///
/// Threads: any, after `Application::start`.
std::string metrics_text(const Application& application);

}  // namespace ferry
