// What the conformance suite cannot see of batches: what ends one, and in what order they run.

#include <memory>
#include <stdexcept>
#include <vector>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

using Batches = Watched<std::vector<std::vector<int>>>;

Config config(const char* handlers = "loop") {
  return Config::from_json({{"threads", 1},
                            {"services", {{"s", {{"transport", "memory"}, {"handlers", handlers}, {"options", {{"name", "batches"}}}}}}},
                            {"clients", {{"C", {{"transport", "memory"}, {"options", {{"name", "batches"}}}}}}}});
}

bool has(const Batches& batches, std::size_t count) {
  return batches.wait([count](const auto& all) { return all.size() >= count; });
}

}  // namespace

TEST_CASE("batch: full ones do not wait, and follow one another in order") {
  const char* const handlers = GENERATE("loop", "pool");
  CAPTURE(handlers);
  Batches batches;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  Application app(config(handlers));
  app.on_batch("number", {.max = 3, .wait = 1h}, [&](std::vector<int> numbers) -> task<void> {
    most = std::max(most.load(), ++running);
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);   // others come meanwhile
    --running;
    batches.change([&](auto& all) { all.push_back(std::move(numbers)); });
  });
  app.start();
  const Client client = app.client("C");
  const auto outcomes = client.emit_batch("number", std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9}).get();
  CHECK(outcomes.size() == 9);
  REQUIRE(has(batches, 3));
  CHECK(batches.get().size() == 3);
  CHECK(most == 1);
  if (std::string_view(handlers) == "loop") CHECK(batches.get() == std::vector<std::vector<int>>{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}});
  CHECK(app.stop());
}

TEST_CASE("batch: one that is not full is handled when its first event has waited") {
  Batches batches;
  Application app(config());
  app.on_batch("number", {.max = 100, .wait = 20ms}, [&](const std::vector<int>& numbers) {
    batches.change([&](auto& all) { all.push_back(numbers); });
  });
  app.start();
  const Client client = app.client("C");
  client.emit("number", 1).get();
  REQUIRE(has(batches, 1));
  client.emit("number", 2).get();
  REQUIRE(has(batches, 2));
  CHECK(batches.get() == std::vector<std::vector<int>>{{1}, {2}});
}

TEST_CASE("batch: a service that drains handles what it has gathered at once") {
  Batches batches;
  Application app(config());
  app.on_batch("number", {.max = 100, .wait = 1h}, [&](const std::vector<int>& numbers) {
    batches.change([&](auto& all) { all.push_back(numbers); });
  });
  app.on_message("here", [] { return true; });
  app.start();
  const Client client = app.client("C");
  for (int i = 0; i < 3; ++i) client.emit("number", i).get();
  REQUIRE(client.send<bool>("here").get());   // the events came before
  CHECK(batches.get().empty());
  CHECK(app.stop());
  CHECK(batches.get() == std::vector<std::vector<int>>{{0, 1, 2}});
}

TEST_CASE("batch: a handler that throws fails each of its events") {
  set_log_level(LogLevel::off);
  Batches batches;
  Application app(config());
  app.on_batch("number", {.max = 2, .wait = 1h}, [&](const std::vector<int>& numbers) {
    batches.change([&](auto& all) { all.push_back(numbers); });
    throw std::runtime_error("full");
  });
  app.start();
  const Client client = app.client("C");
  client.emit_batch("number", std::vector<int>{1, 2, 3, 4}).get();
  REQUIRE(has(batches, 2));
  CHECK(app.stop());
  CHECK(app.services().front().failed == 4);
}

TEST_CASE("batch: emit_batch tells the outcome of each") {
  Application app(config());   // not started: nobody listens
  const Client client = app.client("C");
  const auto outcomes = client.emit_batch("number", std::vector<int>{1, 2}).get();
  REQUIRE(outcomes.size() == 2);
  for (const auto& outcome : outcomes) {
    REQUIRE_FALSE(outcome);
    CHECK(outcome.failure().code == errc::not_connected);
  }
  CHECK(client.emit_batch("number", std::vector<int>()).get().empty());
}

TEST_CASE("batch: options that make no sense") {
  Application app(config());
  CHECK_THROWS_AS(app.on_batch("number", {.max = 0}, [](std::vector<int>) {}), std::invalid_argument);
  CHECK_THROWS_AS(app.on_batch("number", {.max = 1, .wait = -1ms}, [](std::vector<int>) {}), std::invalid_argument);
}
