#pragma once
// ferry's log as one of spdlog's. Links ferry::log_spdlog.

#include <memory>

#include "ferry/log.hpp"

namespace spdlog {
class logger;
}

namespace ferry {

/// From now on every line that ferry logs is one of this logger's: "service math: the handler of sum failed". ferry's levels
/// are spdlog's of the same name; `minimum` counts before the logger's own level does. The correlation id that `log_calls` gives
/// is in the line. Replaces the sink, as `set_log_sink` does; the logger lives on with it.
void log_to_spdlog(std::shared_ptr<spdlog::logger> logger, LogLevel minimum = LogLevel::info);
/// To spdlog's default logger, as it is at each line.
void log_to_spdlog(LogLevel minimum = LogLevel::info);

}  // namespace ferry
