#include "ferry/log_to_spdlog.hpp"

#include <string_view>
#include <utility>

#include <spdlog/spdlog.h>

namespace ferry {
namespace {

spdlog::level::level_enum level_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: break;
  }
  return spdlog::level::off;
}

/// As an argument: what stands in a line is no format of its own.
void write(spdlog::logger& logger, LogLevel level, std::string_view component, std::string_view text) {
  logger.log(level_of(level), "{}: {}", component, text);
}

}  // namespace

void log_to_spdlog(std::shared_ptr<spdlog::logger> logger, LogLevel minimum) {
  set_log_sink([logger = std::move(logger)](LogLevel level, std::string_view component,
                                            std::string_view text) { write(*logger, level, component, text); }, minimum);
}

void log_to_spdlog(LogLevel minimum) {
  set_log_sink([](LogLevel level, std::string_view component, std::string_view text) {
    if (spdlog::logger* const logger = spdlog::default_logger_raw()) write(*logger, level, component, text);
  }, minimum);
}

}  // namespace ferry
