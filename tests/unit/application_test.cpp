// What a user sees at start-up when something is wrong: one error that says what, where and what to do, and nothing started.

#include <thread>

#include "../support/await.hpp"
#include "../support/gate.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using Catch::Contains;
using nlohmann::json;

namespace {

/// The text of the error that making and starting an application ends with.
std::string start_error(const json& config) {
  try {
    Application app(Config::from_json(config, "app.json"));
    app.on_message("x", [] {});
    app.start();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "started";
}

json tcp_service(const json& options) { return {{"transport", "tcp"}, {"options", options}}; }

}  // namespace

TEST_CASE("application: wrong keys, types and values name file, pointer, what was found and what to do") {
  CHECK_THAT(start_error({{"service", json::object()}}),
             Contains("app.json: /service: unknown key \"service\"") && Contains("did you mean \"services\"?"));
  CHECK_THAT(start_error({{"services", {{"a", tcp_service({{"prot", 1}})}}}}),
             Contains("app.json: /services/a/options/prot: unknown key \"prot\"") && Contains("did you mean \"port\"?"));
  CHECK_THAT(start_error({{"services", {{"a", tcp_service({{"port", "abc"}})}}}}),
             Contains("app.json: /services/a/options/port: found \"abc\"") && Contains("expected an integer from 0 to 65535"));
  CHECK_THAT(start_error({{"services", {{"a", {{"transport", "tcp"}, {"handlers", "fast"}}}}}}),
             Contains("/services/a/handlers") && Contains("\"fast\"") && Contains("loop") && Contains("pool"));
  CHECK_THAT(start_error({{"services", {{"a", {{"options", json::object()}}}}}}), Contains("/services/a") && Contains("transport"));
  CHECK_THAT(start_error({{"services", {{"a", {{"transport", "tcp"}, {"delivery", "at-least-once"}}}}}}),
             Contains("app.json: /services/a/delivery") && Contains("tcp"));
  CHECK_THAT(start_error({{"clients", {{"C", {{"transport", "tcp"}, {"url", "tcp://localhost:1"}}}}}}),
             Contains("app.json: /clients/C") && Contains("both url and transport"));
  CHECK_THAT(start_error({{"clients", {{"C", json::object()}}}}), Contains("neither url nor transport"));
  CHECK_THAT(start_error({{"clients", {{"C", {{"url", "tcp://localhost:1"}, {"options", 5}}}}}}),
             Contains("app.json: /clients/C/options: found 5"));
  CHECK_THAT(start_error({{"clients", {{"C", {{"url", "tcp://localhost:x"}}}}}}),
             Contains("app.json: /clients/C/url: \"tcp://localhost:x\": \"x\" is no port"));
  CHECK_THAT(start_error({{"clients", {{"C", {{"url", "nope://x"}}}}}}), Contains("/clients/C/url") && Contains("nope://"));
}

TEST_CASE("application: a missing plugin names what was searched for, and where") {
  const std::string text = start_error({{"services", {{"a", {{"transport", "tpc"}}}}}});
  CHECK_THAT(text, Contains("app.json: /services/a/transport") && Contains("no transport \"tpc\"") &&
                       Contains("did you mean \"tcp\"?") && Contains("libferry_transport_tpc.so") && Contains("tcp"));
}

TEST_CASE("application: a port in use, and nothing half-started") {
  const std::uint16_t taken = test::free_port();
  const std::uint16_t other = test::free_port();
  const auto config = [](const char* name, std::uint16_t port) {
    return json{{"services", {{name, tcp_service({{"host", "127.0.0.1"}, {"port", port}})}}}};
  };
  Application first(Config::from_json(config("first", taken)));
  first.on_message("x", [] {});
  first.start();
  json both = config("a", other);
  both["services"]["b"] = tcp_service({{"host", "127.0.0.1"}, {"port", taken}});
  const std::string text = start_error(both);
  CHECK_THAT(text, Contains("app.json: /services/b/options") && Contains(std::to_string(taken)) && Contains("in use"));
  CHECK(start_error(config("again", other)) == "started");   // the service that could listen does not any more
}

TEST_CASE("application: an unreachable host is the caller's error, with the address in it") {
  Application app(Config::from_json({{"clients", {{"C", {{"url", "tcp://127.0.0.1:" + std::to_string(test::free_port())}}}}}}));
  try {
    app.client("C").connect().get();
    FAIL("connected");
  } catch (const ConnectionError& error) {
    CHECK_THAT(error.what(), Contains("client C") && Contains("tcp://127.0.0.1:") && Contains("refused"));
    CHECK(error.code() == errc::not_connected);
  }
}

TEST_CASE("application: names that are not in the config") {
  Application app(Config::from_json({{"clients", {{"MATH", {{"url", "memory://x"}}}}}}, "app.json"));
  CHECK_THROWS_WITH(app.client("MATHS"), Contains("app.json: /clients") && Contains("MATHS") && Contains("MATH"));
  CHECK_THROWS_WITH(app.service("x"), Contains("app.json: /services") && Contains("none"));
}

TEST_CASE("application: several services, handlers for all or for one, on the program's own executor") {
  asio::io_context context;
  auto work = asio::make_work_guard(context);
  std::thread one([&] { context.run(); });
  std::thread two([&] { context.run(); });
  {
    Application app(Config::from_json({{"services",
                                        {{"a", {{"transport", "memory"}, {"options", {{"name", "own-a"}}}}},
                                         {"b", {{"transport", "memory"}, {"options", {{"name", "own-b"}}}}}}},
                                       {"clients", {{"A", {{"url", "memory://own-a"}}}, {"B", {{"url", "memory://own-b"}}}}}}),
                    context.get_executor());
    app.on_message("where", [](Context& ctx) { return std::string(ctx.service()); });
    app.service("b").on_message("only.b", [] { return 1; });
    app.start();
    CHECK(app.client("A").send<std::string>("where").get() == "a");
    CHECK(app.client("B").send<std::string>("where").get() == "b");
    CHECK(app.client("B").send<int>("only.b").get() == 1);
    CHECK_THROWS_AS(app.client("A").send<int>("only.b").get(), NoHandlerError);
    CHECK_THROWS_AS(app.on_message("late", [] {}), std::logic_error);
    CHECK(app.stop());
  }
  work.reset();
  one.join();
  two.join();
}

TEST_CASE("application: a handler that never ends is cut off at shutdownTimeout") {
  Counter started;
  Application app(Config::from_json({{"shutdownTimeout", "200ms"},
                                     {"services", {{"a", {{"transport", "memory"}, {"options", {{"name", "stuck"}}}}}}},
                                     {"clients", {{"A", {{"url", "memory://stuck"}}}}}}));
  app.on_event("stuck", [&]() -> task<void> {
    started.add();
    asio::steady_timer never(co_await asio::this_coro::executor, 1h);
    co_await never.async_wait(asio::use_awaitable);
  });
  app.start();
  app.client("A").emit("stuck").get();
  REQUIRE(started.reaches(1));
  set_log_level(LogLevel::off);
  const auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(app.stop());
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  set_log_level(LogLevel::error);
}
