#pragma once

#include <functional>
#include <string_view>

namespace ferry {

enum class LogLevel : unsigned char { debug, info, warn, error, off };
std::string_view to_string(LogLevel level) noexcept;

/// Receives every line ferry logs. Called from any thread, at most one call at a time. Must not throw.
/// `component` is what speaks: "application", "service math", "client MATH_SERVICE", "plugin".
using LogSink = std::function<void(LogLevel level, std::string_view component, std::string_view text)>;

/// Replaces the sink (the default writes lines to standard error). Lines below `minimum` never reach it.
void set_log_sink(LogSink sink, LogLevel minimum = LogLevel::info);
void set_log_level(LogLevel minimum) noexcept;

bool log_enabled(LogLevel level) noexcept;
void log(LogLevel level, std::string_view component, std::string_view text);

}  // namespace ferry
