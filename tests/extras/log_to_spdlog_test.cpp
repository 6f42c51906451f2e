#include <memory>
#include <sstream>
#include <string>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "ferry/log_to_spdlog.hpp"

using namespace ferry;
using nlohmann::json;

namespace {

/// A logger whose lines can be read.
struct Written {
  Written() {
    logger->set_pattern("%l|%v");
    logger->set_level(spdlog::level::trace);
  }
  ~Written() { set_log_sink(nullptr, LogLevel::error); }

  std::ostringstream text;
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("ferry", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
};

}  // namespace

TEST_CASE("spdlog: lines, levels and where they come from") {
  Written written;
  log_to_spdlog(written.logger, LogLevel::debug);
  log(LogLevel::debug, "client C", "one {} of no format");
  log(LogLevel::info, "client C", "two");
  log(LogLevel::warn, "client C", "three");
  log(LogLevel::error, "client C", "four");
  CHECK(written.text.str() ==
        "debug|client C: one {} of no format\ninfo|client C: two\nwarning|client C: three\nerror|client C: four\n");
  log_to_spdlog(written.logger, LogLevel::warn);
  written.text.str("");
  log(LogLevel::info, "client C", "five");
  CHECK(written.text.str().empty());
}

TEST_CASE("spdlog: the default logger is the one there is at each line") {
  Written written;
  const auto before = spdlog::default_logger();
  log_to_spdlog();
  spdlog::set_default_logger(written.logger);
  log(LogLevel::info, "application", "hello");
  spdlog::set_default_logger(before);
  CHECK(written.text.str() == "info|application: hello\n");
}

TEST_CASE("spdlog: the correlation id of a call is in its line") {
  Written written;
  log_to_spdlog(written.logger);
  Application app(Config::from_json({{"services", {{"one", {{"transport", "memory"}, {"options", {{"name", "spdlog"}}}}}}},
                                     {"clients", {{"C", {{"transport", "memory"}, {"options", {{"name", "spdlog"}}}}}}}}));
  app.on_message("sum", [](int a) { return a; }, Pipeline().interceptor(log_calls()));
  app.start();
  app.client("C").send<int>("sum", 1, SendOptions().header("correlation-id", "order-17")).get();
  app.stop();
  CHECK(written.text.str().find("order-17") != std::string::npos);
}
