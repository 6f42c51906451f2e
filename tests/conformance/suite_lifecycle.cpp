// Deadlines, cancel, connecting, losing, coming back, draining, closing.

#include <asio/experimental/awaitable_operators.hpp>

#include "../support/outcome.hpp"
#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using Clock = std::chrono::steady_clock;

namespace {

/// A handler that runs until it is cancelled, and says so.
auto until_cancelled(World& world, Counter& started, Counter& cancelled) {
  return [&](Context& context) -> task<int> {
    started.add();
    try {
      co_await world.forever();
    } catch (const std::system_error&) {
      if (context.cancelled()) cancelled.add();
      throw;
    }
    co_return 1;
  };
}

}  // namespace

TEST_CASE("a request ends at its deadline") {
  Counter started;
  Counter cancelled;
  std::atomic<bool> knows_deadline{false};
  World world;
  world.serve([&](Application& app) {
    app.on_message("never", until_cancelled(world, started, cancelled));
    app.on_message("deadline", [&](Context& context) { return context.deadline().has_value(); });
    app.on_message("late", [](int ms) -> task<int> {
      asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(ms));
      co_await timer.async_wait(asio::use_awaitable);
      co_return ms;
    });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  client.send<bool>("deadline").get();
  const auto begin = Clock::now();
  CHECK(code_of([&] { client.send<int>("never", 1, SendOptions().timeout(100ms)).get(); }) == errc::timed_out);
  const auto took = Clock::now() - begin;
  CHECK(took >= 100ms);
  CHECK(took < 5s);
  CHECK(client.in_flight() == 0);
  if (world.capabilities().cancel) CHECK(cancelled.reaches(1));
  if (world.capabilities().deadline) CHECK(client.send<bool>("deadline").get());
  CHECK(client.counters().timeouts == 1);
  if (!world.capabilities().cancel) {   // else the handler is stopped, and no reply comes late
    CHECK(client.send<int>("late", 1).get() == 1);   // a pattern's first request may take longer to leave
    CHECK(code_of([&] { client.send<int>("late", 150, SendOptions().timeout(50ms)).get(); }) == errc::timed_out);
    CHECK(client.send<int>("late", 200).get() == 200);
    CHECK(client.counters().late_replies == 1);
  }
  world.close_client();
  set_log_level(LogLevel::error);
}

TEST_CASE("get cancels when its limit passes, and refuses to block a loop") {
  Counter started;
  Counter cancelled;
  World world;
  world.serve([&](Application& app) { app.on_message("never", until_cancelled(world, started, cancelled)); });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  client.connect().get();
  CHECK_THROWS_AS(client.send<int>("never").get(100ms), TimeoutError);
  CHECK(client.in_flight() == 0);
  run_on(world.client_application(), [&]() -> task<void> {
    auto call = client.send<int>("never");
    CHECK_THROWS_AS(std::move(call).get(), std::logic_error);
    co_return;
  }());
  world.close_client();
  set_log_level(LogLevel::error);
}

TEST_CASE("a cancelled call frees its slot and reaches the handler") {
  using namespace asio::experimental::awaitable_operators;
  Counter started;
  Counter cancelled;
  World world;
  world.serve([&](Application& app) {
    app.on_message("never", until_cancelled(world, started, cancelled));
    app.on_message("ping", [] { return 1; });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  CHECK(client.send<int>("ping").get() == 1);
  constexpr int calls = 20;
  Counter ended;
  for (int i = 0; i < calls; ++i) {
    asio::co_spawn(client.loop().executor(),
                   [&]() -> task<void> {
                     asio::steady_timer timer(co_await asio::this_coro::executor, 20ms);
                     auto call = client.send<int>("never", 1);
                     auto outcome = co_await (std::move(call) || timer.async_wait(asio::use_awaitable));
                     CHECK(outcome.index() == 1);
                   },
                   [&](std::exception_ptr error) {
                     CHECK_FALSE(error);
                     ended.add();
                   });
  }
  REQUIRE(ended.reaches(calls));
  CHECK(client.in_flight() == 0);
  CHECK(client.send<int>("ping").get() == 1);
  if (world.capabilities().cancel) CHECK(cancelled.reaches(started.get()));
  world.close_client();
  set_log_level(LogLevel::error);
}

TEST_CASE("nobody to connect to: the call fails at once, and nothing was sent") {
  World world(true);
  if (world.broker() != nullptr) world.broker()->stop();
  const Client client = world.client({{"timeout", "20s"}});
  const auto begin = Clock::now();
  try {
    client.send<int>("ping", 1).get();
    FAIL("there is nobody");
  } catch (const ConnectionError& error) {
    CHECK(error.code() == errc::not_connected);
    CHECK(error.fate() == Fate::not_sent);
    CHECK(error.is_retryable());
  }
  CHECK(Clock::now() - begin < 10s);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("a client waits for its service if told to") {
  World world(true);
  if (world.capabilities().broker) FERRY_NOT_APPLICABLE("a broker takes calls before there is a service");
  const Client client = world.client({{"offlineQueue", true}, {"reconnect", {{"backoff", "20ms"}, {"maxBackoff", "50ms"}}}});
  Counter ended;
  std::atomic<int> value{0};
  asio::co_spawn(client.loop().executor(), client.send<int>("ping", 1), [&](std::exception_ptr error, int got) {
    if (!error) value = got;
    ended.add();
  });
  world.serve([](Application& app) { app.on_message("ping", [](int n) { return n + 1; }); });
  REQUIRE(ended.reaches(1));
  CHECK(value == 2);
}

TEST_CASE("a lost connection fails what is in flight, and the client comes back by itself") {
  Counter started;
  Counter cancelled;
  Outcomes outcomes;
  World world;
  FERRY_NEEDS_GATE(world);
  const auto handlers = [&](Application& app) {
    app.on_message("never", until_cancelled(world, started, cancelled));
    app.on_message("ping", [] { return 1; });
  };
  world.serve(handlers);
  set_log_level(LogLevel::off);
  const Client client = world.client({{"reconnect", {{"backoff", "20ms"}, {"maxBackoff", "50ms"}}}});
  Watched<std::vector<Status>> statuses;
  client.on_status([&](const StatusEvent& event) {
    statuses.change([&](auto& value) { value.push_back(event.status); });
  });
  client.send<int>("ping").get();
  constexpr std::size_t calls = 10;
  for (std::size_t i = 0; i < calls; ++i) outcomes.start(client, client.send<int>("never"));
  REQUIRE(started.reaches(static_cast<int>(calls)));
  const auto seen = [](Status status) {
    return [status](const std::vector<Status>& all) { return std::count(all.begin(), all.end(), status) > 0; };
  };
  world.gate()->cut();
  REQUIRE(outcomes.reach(calls));
  for (const std::error_code& code : outcomes.codes()) CHECK(code == errc::connection_lost);
  CHECK(statuses.wait(seen(Status::disconnected)));
  // The service lets go of work nobody waits for, where it sees who has gone.
  if (!world.capabilities().broker) CHECK(cancelled.reaches(static_cast<int>(calls)));
  CHECK(statuses.wait([](const auto& all) { return std::count(all.begin(), all.end(), Status::connected) == 2; }));
  CHECK(client.send<int>("ping").get() == 1);
  CHECK(client.in_flight() == 0);
  world.close_client();
  set_log_level(LogLevel::error);
}

TEST_CASE("a service that restarts is found again") {
  World world(true);
  FERRY_NEEDS(world, sees_peer_loss);
  const auto handlers = [](Application& app) { app.on_message("ping", [] { return 1; }); };
  world.serve(handlers);
  const Client client = world.client({{"reconnect", {{"backoff", "20ms"}, {"maxBackoff", "50ms"}}}});
  Watched<Status> status;
  client.on_status([&](const StatusEvent& event) { status.change([&](Status& value) { value = event.status; }); });
  CHECK(client.send<int>("ping").get() == 1);
  for (int i = 0; i < 3; ++i) {
    CHECK(world.stop_service());
    REQUIRE(status.wait([](Status value) { return value != Status::connected; }));
    CHECK(code_of([&] { client.send<int>("ping").get(); }) == errc::not_connected);
    world.serve(handlers);
    REQUIRE(status.wait([](Status value) { return value == Status::connected; }));
    CHECK(client.send<int>("ping").get() == 1);
  }
}

TEST_CASE("a stop under load answers every request that was accepted") {
  std::atomic<int> accepted{0};
  World world;
  world.serve([&](Application& app) {
    app.on_message("work", [&](int n) -> task<int> {
      ++accepted;
      asio::steady_timer timer(co_await asio::this_coro::executor, 30ms);
      co_await timer.async_wait(asio::use_awaitable);
      co_return n;
    });
  });
  // Nobody answers a call that comes too late, where nobody can tell that.
  const bool told = (world.capabilities().sees_peer_loss || world.capabilities().no_handler_reply) && !world.requests_wait();
  const Client client = world.client({{"timeout", told ? "10s" : "2s"}});
  Counter answered;
  std::atomic<int> refused{0};
  std::atomic<int> wrong{0};
  std::atomic<bool> going{true};
  Counter ended;
  constexpr int callers = 64;
  for (int i = 0; i < callers; ++i) {
    asio::co_spawn(client.loop().executor(),
                   [&, i]() -> task<void> {
                     while (going) {
                       try {
                         const int got = co_await client.send<int>("work", i);
                         if (got == i) answered.add();
                         else ++wrong;
                       } catch (const Error&) {
                         ++refused;
                         co_return;
                       }
                     }
                   },
                   [&](std::exception_ptr error) {
                     if (error) ++wrong;
                     ended.add();
                   });
  }
  REQUIRE(answered.reaches(3 * callers));
  const auto begin = Clock::now();
  CHECK(world.stop_service());
  CHECK(Clock::now() - begin < 5s);
  going = false;
  REQUIRE(ended.reaches(callers));
  CHECK(wrong == 0);
  CHECK(answered.get() == accepted);   // what was taken was answered, and its answer arrived
}

TEST_CASE("a handler that is cancelled while its service stops ends, and the stop with it") {
  Counter started;
  Counter cancelled;
  Outcomes outcomes;
  World world;
  FERRY_NEEDS(world, cancel);
  world.serve([&](Application& app) {
    app.on_message("never", until_cancelled(world, started, cancelled));
    app.on_message("ping", [] { return 1; });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  CHECK(client.send<int>("ping").get() == 1);   // they know each other
  outcomes.start(client, client.send<int>("never", 1, SendOptions().timeout(1s)));
  REQUIRE(started.reaches(1));
  const auto begin = Clock::now();
  CHECK(world.stop_service());
  CHECK(Clock::now() - begin < 8s);   // shutdownTimeout is 10 s
  CHECK(cancelled.get() == 1);
  REQUIRE(outcomes.reach(1));
  CHECK(outcomes.codes().front() == errc::timed_out);
  set_log_level(LogLevel::error);
}

TEST_CASE("a closed client ends what it has, and takes nothing more") {
  Counter started;
  Counter cancelled;
  Outcomes outcomes;
  World world;
  world.serve([&](Application& app) {
    app.on_message("never", until_cancelled(world, started, cancelled));
    app.on_event("tick", [&](int) {});
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  outcomes.start(client, client.send<int>("never"));
  REQUIRE(started.reaches(1));
  client.close().get();
  REQUIRE(outcomes.reach(1));
  CHECK(outcomes.codes().front() == errc::closed);
  CHECK(client.status() == Status::closed);
  CHECK(code_of([&] { client.send<int>("never").get(); }) == errc::closed);
  CHECK(code_of([&] { client.emit("tick", 1).get(); }) == errc::closed);
  client.close().get();   // again: nothing
  set_log_level(LogLevel::error);
}

TEST_CASE("more calls than maxInFlight are refused, not queued") {
  Counter started;
  Counter cancelled;
  Outcomes outcomes;
  World world;
  world.serve([&](Application& app) { app.on_message("never", until_cancelled(world, started, cancelled)); });
  set_log_level(LogLevel::off);
  const Client client = world.client({{"maxInFlight", 8}});
  for (int i = 0; i < 20; ++i) outcomes.start(client, client.send<int>("never"));
  REQUIRE(outcomes.reach(12));
  REQUIRE(started.reaches(8));
  for (const std::error_code& code : outcomes.codes()) CHECK(code == errc::overloaded);
  CHECK(outcomes.codes().size() == 12);
  CHECK(client.in_flight() == 8);
  world.close_client();
  CHECK(outcomes.reach(20));
  set_log_level(LogLevel::error);
}
