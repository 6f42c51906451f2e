#include "ferry/log.hpp"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

namespace ferry {
namespace {

std::atomic<LogLevel> minimum_level{LogLevel::info};
std::mutex sink_mutex;

void write_to_stderr(LogLevel level, std::string_view component, std::string_view text) {
  std::string line;
  line.append("ferry ").append(to_string(level)).append(" [").append(component).append("] ").append(text).append("\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

LogSink& sink() {
  static auto* const current = new LogSink(write_to_stderr);   // outlives every thread that may still log
  return *current;
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
    case LogLevel::off: break;
  }
  return "off";
}

void set_log_sink(LogSink replacement, LogLevel minimum) {
  const std::lock_guard lock(sink_mutex);
  sink() = replacement ? std::move(replacement) : LogSink(write_to_stderr);
  minimum_level = minimum;
}

void set_log_level(LogLevel minimum) noexcept { minimum_level = minimum; }

bool log_enabled(LogLevel level) noexcept {
  return level >= minimum_level.load(std::memory_order_relaxed) && level != LogLevel::off;
}

void log(LogLevel level, std::string_view component, std::string_view text) {
  if (!log_enabled(level)) return;
  const std::lock_guard lock(sink_mutex);
  sink()(level, component, text);
}

}  // namespace ferry
