// Events: hot, one outcome, every handler.

#include <numeric>

#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("an event reaches all its handlers") {
  Counter first;
  Counter second;
  Watched<std::string> third;
  World world;
  world.serve([&](Application& app) {
    app.on_event("user_created", [&](int n) { first.add(n); });
    app.on_event("user_created", [&](int n) -> task<void> {
      second.add(n);
      co_return;
    });
    app.on_event({{"ev", "obj"}, {"z", 1}}, [&](std::string text) { third.change([&](auto& value) { value = text; }); });
  });
  const Client client = world.client();
  const Emitted outcome = client.emit("user_created", 5).get();
  CHECK(outcome == (world.capabilities().ack ? Emitted::confirmed : Emitted::accepted));
  client.emit({{"z", 1}, {"ev", "obj"}}, "x");
  CHECK(first.reaches(5));
  CHECK(second.reaches(5));
  CHECK(third.wait([](const std::string& value) { return value == "x"; }));
}

TEST_CASE("handlers of one event run concurrently") {
  Counter arrived;
  Counter met;
  World world;
  // Each waits for the other without blocking: run one after the other, neither would end.
  const auto meet = [&](int) -> task<void> {
    arrived.add();
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (arrived.get() < 2) {
      timer.expires_after(1ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    met.add();
  };
  world.serve([&](Application& app) {
    app.on_event("meet", meet);
    app.on_event("meet", meet);
  });
  world.client().emit("meet", 1);
  CHECK(met.reaches(2));
}

TEST_CASE("events arrive in the order they were emitted") {
  constexpr int count = 20000;
  std::vector<int> order;   // the handler is synchronous and its client has one connection: no two runs at once
  Counter seen;
  World world;
  FERRY_NEEDS(world, ordered);
  if (world.pool()) FERRY_NOT_APPLICABLE("handlers on worker threads run in no order");
  world.serve([&](Application& app) {
    app.on_event("numbered", [&](int n) {
      order.push_back(n);
      if (n % 1000 == 999) seen.add(1000);
    });
  });
  const Client client = world.client();
  for (int i = 0; i < count; ++i) {
    auto emission = client.emit("numbered", i);
    if (i % 500 == 499) std::move(emission).get();   // keeps within the client's bound
  }
  REQUIRE(seen.reaches(count));
  std::vector<int> expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  const bool in_order = order == expected;   // not 20000 numbers in a failure's text
  CHECK(in_order);
}

TEST_CASE("events nobody handles, and handlers that throw, harm nobody") {
  Counter good;
  World world;
  world.serve([&](Application& app) {
    app.on_event("bad", [](int) { throw std::runtime_error("no"); });
    app.on_event("bad", [&](int) { good.add(); });
    app.on_message("ping", [] { return "pong"; });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  client.emit("nobody.listens", 1).get();
  client.emit("bad", 1).get();
  CHECK(good.reaches(1));
  CHECK(client.send<std::string>("ping").get() == "pong");
  CHECK(world.service().stop());   // on worker threads a handler's end may be counted after the other one was heard of
  const std::uint64_t failed = world.service().services().front().failed;
  CHECK(failed >= 1);
  if (!world.redelivers()) CHECK(failed == 1);
  set_log_level(LogLevel::error);
}

TEST_CASE("requests to event handlers, and events to message handlers") {
  Counter both;
  World world;
  world.serve([&](Application& app) {
    app.on_event("one", [](int) { return "one-ret"; });
    app.on_event("two", [](int) { return "e1"; });
    app.on_event("two", [](int) -> task<std::string> { co_return std::string("e2"); });
    app.on_event("three", [](int) { return 1; });
    app.on_event("three", [](int) { return 2; });
    app.on_event("three", [](int) { return 3; });
    app.on_event("both", [](int) { FAIL("a message handler hides the event handlers of its route"); });
    app.on_message("both", [&](int) { return both.add(), "both-msg"; });
  });
  const Client client = world.client();
  using nlohmann::json;
  CHECK(client.send<json>("one", 1).get() == "one-ret");
  CHECK(client.send<json>("two", 1).get() == json{{"current", "e1"}, {"next", "e2"}});
  CHECK(client.send<json>("three", 1).get() == json{{"current", 1}, {"next", {{"current", 2}, {"next", 3}}}});
  CHECK(client.send<json>("both", 1).get() == "both-msg");
  client.emit("both", 1);
  CHECK(both.reaches(2));
}

TEST_CASE("emissions end once each") {
  Counter seen;
  World world;
  world.serve([&](Application& app) { app.on_event("tick", [&](int) { seen.add(); }); });
  const Client client = world.client();
  constexpr int count = 3000;
  Counter ended;
  std::atomic<int> accepted{0};
  for (int i = 0; i < count; ++i) {
    asio::co_spawn(client.loop().executor(), client.emit("tick", i), [&](std::exception_ptr error, Emitted) {
      if (!error) ++accepted;
      ended.add();
    });
  }
  REQUIRE(ended.reaches(count));
  CHECK(accepted == count);
  CHECK(seen.reaches(count));
  CHECK(client.in_flight() == 0);
}
