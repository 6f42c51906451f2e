// A client's retries, circuit breaker and limit, and deadlines that go on to the calls a handler makes.

#include "../support/outcome.hpp"
#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using Clock = std::chrono::steady_clock;

namespace {

/// Of a client that is to try until it succeeds.
const nlohmann::json patient{
    {"timeout", "20s"},
    {"reconnect", {{"backoff", "5ms"}, {"maxBackoff", "20ms"}}},
    {"retry", {{"attempts", 100}, {"backoff", "10ms"}, {"maxBackoff", "100ms"}, {"attemptTimeout", "500ms"}, {"budget", {{"perSecond", 1000}}}}}};

/// A handler that is silent as often as it is told to, and then answers with what it was sent. What it counts with lives as
/// long as the service has the handler: a broker may bring a request late.
class Stubborn {
  struct State {
    explicit State(int silences) : silences(silences) {}
    std::atomic<int> silences;
    Counter seen;
  };
  World& world_;
  std::shared_ptr<State> state_;

 public:
  Stubborn(World& world, int silences) : world_(world), state_(std::make_shared<State>(silences)) {}

  void add(Application& app, const char* pattern) {
    app.on_message(pattern, [&world = world_, state = state_](int value) -> task<int> {
      state->seen.add();
      if (state->silences-- > 0) co_await world.forever();
      co_return value;
    });
  }
  void silent(int times) { state_->silences = times; }
  const Counter& seen = state_->seen;
};

/// Handlers that run end first, without a word on the console.
struct Quiet {
  Quiet() { set_log_level(LogLevel::off); }
  ~Quiet() { set_log_level(LogLevel::error); }
};

}  // namespace

TEST_CASE("a retry finds the service that comes") {
  const Quiet quiet;
  Outcomes outcomes;
  Counter losses;
  World world(true);
  const Client client = world.client(patient);
  client.on_status([&](const StatusEvent& event) {
    if (event.status == Status::disconnected) losses.add();
  });
  outcomes.start(client, client.send<int>("echo", 1, SendOptions().idempotent()));
  if (!world.capabilities().broker) REQUIRE(losses.reaches(1));   // the first attempt has found nobody
  world.serve(add_echo);
  REQUIRE(outcomes.reach(1));
  CHECK(outcomes.succeeded() == 1);
  if (!world.capabilities().broker) CHECK(client.counters().retries > 0);
  CHECK(client.in_flight() == 0);
  world.close_client();
}

TEST_CASE("a handler that fails is asked again as often as it may be, if its error is listed") {
  const Quiet quiet;
  Counter seen;
  World world;
  world.serve([&](Application& app) {
    app.on_message("third.time", [&](int value) {
      seen.add();
      if (seen.get() % 3 != 0) throw RpcError("not yet");
      return value;
    });
    app.on_message("never", [&]() -> int {
      seen.add();
      throw RpcError("no");
    });
  });
  const Client client = world.client({{"retry", {{"attempts", 4}, {"backoff", "1ms"}, {"on", "rejected"}, {"idempotent", "third*"}}}});
  CHECK(client.send<int>("third.time", 7).get() == 7);
  CHECK(seen.get() == 3);
  CHECK(client.counters().retries == 2);
  CHECK(code_of([&] { client.send<int>("never").get(); }) == errc::rejected);   // handled, and not said to be idempotent
  CHECK(seen.get() == 4);
  CHECK(code_of([&] { client.send<int>("never", Payload(), SendOptions().idempotent()).get(); }) == errc::rejected);
  CHECK(seen.get() == 8);
  world.close_client();
}

TEST_CASE("an attempt that is not answered in time is followed by another only if it may be handled twice") {
  const Quiet quiet;
  World world;
  Stubborn handler(world, 0);
  world.serve([&](Application& app) { handler.add(app, "ask"); });
  const Client client = world.client(patient);
  CHECK(client.send<int>("ask", 1).get() == 1);   // a pattern's first request may take longer
  handler.silent(1);
  CHECK(client.send<int>("ask", 2, SendOptions().idempotent()).get() == 2);
  CHECK(handler.seen.get() >= 3);
  CHECK(client.counters().retries > 0);
  const auto retries = client.counters().retries.load();
  const int seen = handler.seen.get();
  handler.silent(1);
  CHECK(code_of([&] { client.send<int>("ask", 3, SendOptions().timeout(300ms)).get(); }) == errc::timed_out);
  handler.silent(0);
  CHECK(client.send<int>("ask", 4).get() == 4);
  CHECK(handler.seen.get() <= seen + 2);
  CHECK(client.counters().retries == retries);
  world.close_client();
}

TEST_CASE("what was lost with its connection is sent again only if it may be handled twice") {
  const Quiet quiet;
  Outcomes outcomes;
  World world;
  FERRY_NEEDS_GATE(world);
  Stubborn handler(world, 0);
  world.serve([&](Application& app) { handler.add(app, "ask"); });
  nlohmann::json settings = patient;
  settings["retry"].erase("attemptTimeout");
  const Client client = world.client(settings);
  for (const bool idempotent : {false, true}) {
    CAPTURE(idempotent);
    CHECK(client.send<int>("ask", 1).get() == 1);
    const int seen = handler.seen.get();
    handler.silent(1);
    outcomes.start(client, client.send<int>("ask", 2, SendOptions().idempotent(idempotent)));
    REQUIRE(handler.seen.reaches(seen + 1));
    world.gate()->cut();
    REQUIRE(outcomes.reach(idempotent ? 2 : 1));
    CHECK(handler.seen.get() == seen + (idempotent ? 2 : 1));
  }
  CHECK(outcomes.codes()[0] == errc::connection_lost);
  CHECK(outcomes.codes()[1] == std::error_code());
  world.close_client();
}

TEST_CASE("a circuit opens when nobody answers, refuses at once, lets a probe through, and is closed by one that succeeds") {
  const Quiet quiet;
  Outcomes second;
  World world;
  Stubborn handler(world, 0);
  world.serve([&](Application& app) { handler.add(app, "ask"); });
  const Client client = world.client({{"timeout", "20s"}, {"circuit", {{"minimumCalls", 4}, {"openFor", "200ms"}}}});
  Watched<std::vector<Circuit>> states;
  client.on_circuit([&](const CircuitEvent& event) {
    if (event.circuit == Circuit::half_open && states.get().size() == 1) {   // while the first probe is under way
      second.start(client, client.send<int>("ask", 9));
    }
    states.change([&](auto& all) { all.push_back(event.circuit); });
  });
  CHECK(client.send<int>("ask", 1).get() == 1);
  handler.silent(1000);
  for (int call = 0; call < 3; ++call) {
    CHECK(client.circuit() == Circuit::closed);
    CHECK(code_of([&] { client.send<int>("ask", 1, SendOptions().timeout(50ms)).get(); }) == errc::timed_out);
  }
  CHECK(client.counters().circuit_openings == 1);   // three of four have failed
  // Refused until its time is over; the first that is let through ends otherwise.
  const auto probe = [&](std::chrono::milliseconds timeout) {
    const auto limit = Clock::now() + patience;
    std::error_code code;
    do {
      code = code_of([&] { client.send<int>("ask", 5, SendOptions().timeout(timeout)).get(); });
    } while (code == errc::circuit_open && Clock::now() < limit);
    return code;
  };
  handler.silent(1);
  CHECK(probe(500ms) == errc::timed_out);
  REQUIRE(second.reach(1));
  CHECK(second.codes()[0] == errc::circuit_open);   // half open: one is let through, no other
  CHECK(client.counters().circuit_openings == 2);
  CHECK(probe(20s) == std::error_code());
  CHECK(client.circuit() == Circuit::closed);
  CHECK(states.wait([](const auto& all) {
    return all == std::vector{Circuit::open, Circuit::half_open, Circuit::open, Circuit::half_open, Circuit::closed};
  }));
  world.close_client();
}

TEST_CASE("an open circuit lets nothing through") {
  const Quiet quiet;
  World world;
  Stubborn handler(world, 0);
  world.serve([&](Application& app) { handler.add(app, "ask"); });
  const Client client = world.client({{"circuit", {{"minimumCalls", 2}, {"openFor", "1h"}}}});
  CHECK(client.send<int>("ask", 1).get() == 1);
  handler.silent(1);
  CHECK(code_of([&] { client.send<int>("ask", 1, SendOptions().timeout(50ms)).get(); }) == errc::timed_out);
  CHECK(client.circuit() == Circuit::open);
  for (int call = 0; call < 100; ++call) {
    try {
      client.send<int>("ask", 1).get();
      FAIL("it was let through");
    } catch (const OverloadedError& error) {
      CHECK(error.code() == errc::circuit_open);
      CHECK(error.fate() == Fate::not_sent);
    }
  }
  CHECK(client.counters().circuit_refusals == 100);
  CHECK(handler.seen.get() <= 2);
  world.close_client();
}

TEST_CASE("no more requests are under way than the limit, others wait behind them, more are refused") {
  const Quiet quiet;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::atomic<bool> released{false};
  Counter begun;
  Outcomes outcomes;
  World world;
  world.serve([&](Application& app) {
    add_echo(app);
    app.on_message("work", [&](int value) -> task<int> {
      const int now = ++running;
      int before = most;
      while (before < now && !most.compare_exchange_weak(before, now)) {
      }
      begun.add();
      asio::steady_timer timer(co_await asio::this_coro::executor);
      while (!released) {
        timer.expires_after(5ms);
        co_await timer.async_wait(asio::use_awaitable);
      }
      --running;
      co_return value;
    });
  });
  const Client client = world.client({{"limit", {{"concurrent", 3}, {"queue", 20}}}});
  CHECK(client.send<int>("echo", 1).get() == 1);
  for (int call = 0; call < 23; ++call) outcomes.start(client, client.send<int>("work", call));
  REQUIRE(begun.reaches(1));
  try {
    client.send<int>("work", 23).get();
    FAIL("it was let through");
  } catch (const OverloadedError& error) {
    CHECK(error.fate() == Fate::not_sent);
  }
  CHECK(code_of([&] { client.emit("nobody.hears.it", 1).get(); }) == std::error_code());   // events need no place
  CHECK(client.in_flight() == 23);
  released = true;
  REQUIRE(outcomes.reach(23));
  CHECK(outcomes.succeeded() == 23);
  CHECK(most <= 3);
  CHECK(begun.get() == 23);
  CHECK(client.counters().limit_refusals == 1);
  world.close_client();
}

TEST_CASE("the calls that a handler makes end with its caller's deadline") {
  World world;
  FERRY_NEEDS(world, deadline);
  const Client client = world.client();
  Watched<std::vector<std::string>> ids;
  const auto note = [&](const Context& context) {
    ids.change([&](auto& all) { all.push_back(context.correlation_id()); });
  };
  world.serve([&](Application& app) {
    app.on_message("inner", [&](Context& context) -> std::int64_t {
      note(context);
      if (!context.deadline()) return -1;
      return std::chrono::duration_cast<std::chrono::milliseconds>(*context.deadline() - Clock::now()).count();
    });
    app.on_message("outer", [&](bool within, Context& context) -> task<std::int64_t> {
      note(context);
      SendOptions options;
      if (within) options.within(context);
      co_return co_await client.send<std::int64_t>("inner", Payload(), std::move(options));
    });
  });
  client.send<std::int64_t>("outer", false).get();   // now they know that they are ferry
  const auto left = [&](bool within) {
    return client.send<std::int64_t>("outer", within, SendOptions().timeout(10s).header("correlation-id", "the caller's")).get();
  };
  CHECK(left(false) > 20000);
  CHECK(left(true) <= 11000);   // told as what is left, and rounded up
  if (world.capabilities().headers) {
    const auto all = ids.get();
    REQUIRE(all.size() == 6);
    CHECK(all[2] == "the caller's");
    CHECK(all[3] != "the caller's");
    CHECK(all[4] == "the caller's");
    CHECK(all[5] == "the caller's");
  }
  world.close_client();
}
