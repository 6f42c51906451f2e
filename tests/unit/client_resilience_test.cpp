// What a client does with calls that fail: circuit breaker, limit, deadlines of what they are a part of.

#include <functional>

#include "client_resilience_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace ferry::test::resilience;
using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE("client circuit: opens on failures, refuses at once, and a probe closes it") {
  World world(json{{"circuit", {{"minimumCalls", 4}, {"failureRatio", 0.5}, {"openFor", 30}}}});
  Watched<std::vector<Circuit>> changes;
  const Client client = world.client();
  client.on_circuit([&](const CircuitEvent& event) { changes.change([&](auto& all) { all.push_back(event.circuit); }); });
  world.peer.will({Kind::lost, Kind::rejected, Kind::unknown_there, Kind::lost});
  for (int i = 0; i < 3; ++i) failure_of(client.send<int>("a", 1));
  CHECK(client.circuit() == Circuit::closed);
  failure_of(client.send<int>("a", 1));
  CHECK(client.circuit() == Circuit::open);
  const Failure refused = failure_of(client.send<int>("a", 1));
  CHECK(refused.code == errc::circuit_open);
  CHECK(refused.fate == Fate::not_sent);
  CHECK(world.count() == 4);
  CHECK(client.emit("e", 1).get() == Emitted::accepted);   // an event asks no service
  while (failure_of(client.send<int>("a", 1)).code == errc::circuit_open) {
  }
  CHECK(client.circuit() == Circuit::closed);
  CHECK(client.counters().circuit_openings == 1);
  CHECK(client.counters().circuit_refusals >= 1);
  REQUIRE(changes.wait([](const auto& all) { return all.size() == 3; }));
  CHECK(changes.get() == std::vector{Circuit::open, Circuit::half_open, Circuit::closed});
}

TEST_CASE("client circuit: a probe that is cancelled leaves its place to another") {
  World world(json{{"circuit", {{"minimumCalls", 1}, {"openFor", 1}}}});
  const Client client = world.client();
  world.peer.will({Kind::lost}, Kind::silence);
  failure_of(client.send<int>("a", 1));
  REQUIRE(client.circuit() == Circuit::open);
  Failure probe(errc::circuit_open, "");
  while (probe.code == errc::circuit_open) {
    try {
      client.send<int>("a", 1).get(50ms);
    } catch (const Error& error) {
      probe = error.failure();
    }
  }
  CHECK(probe.code == errc::timed_out);   // of `get`: it was cancelled
  CHECK(client.circuit() == Circuit::half_open);
  world.peer.will({});
  CHECK(client.send<int>("a", 1).get() == 1);
  CHECK(client.circuit() == Circuit::closed);
}

TEST_CASE("client circuit: a stream is a success with its first value") {
  World world(json{{"circuit", {{"minimumCalls", 1}, {"failureRatio", 1}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::value_then_lost);
  auto stream = client.stream<int>("a", 1);
  CHECK(stream.next().get() == 1);
  CHECK(failure_of(stream.next()).code == errc::connection_lost);
  CHECK(client.circuit() == Circuit::closed);
}

TEST_CASE("client circuit: a retry that it refuses ends the call") {
  json settings = retry(10, {{"idempotent", "*"}});
  settings["circuit"] = {{"minimumCalls", 3}, {"openFor", "1h"}};
  World world(settings);
  const Client client = world.client();
  world.peer.will({}, Kind::lost);
  const Failure failure = failure_of(client.send<int>("a", 1));
  CHECK(failure.code == errc::circuit_open);
  CHECK(failure.fate == Fate::unknown);   // of the three before
  CHECK(world.count() == 3);
}

TEST_CASE("client limit: so many under way, others in order behind them, more refused") {
  World world(json{{"limit", {{"concurrent", 2}, {"queue", 3}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::silence);
  for (int i = 0; i < 2; ++i) world.outcomes.start(client, client.send<int>("a", i));
  REQUIRE(world.peer.reaches(2));
  for (int i = 2; i < 5; ++i) world.outcomes.start(client, client.send<int>("a", i));
  const Failure refused = failure_of(client.send<int>("a", 5));
  CHECK(refused.code == errc::overloaded);
  CHECK(refused.fate == Fate::not_sent);
  CHECK(client.counters().limit_refusals == 1);
  CHECK(world.count() == 2);
  CHECK(client.in_flight() == 5);
  CHECK(failure_of(static_cast<Call<Emitted>>(client.emit("e", 1, SendOptions().timeout(20ms)))).code == errc::timed_out);
}

TEST_CASE("client limit: who waits goes on when there is room, or ends by itself") {
  World world(json{{"limit", {{"concurrent", 1}, {"queue", 3}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::silence);
  world.outcomes.start(client, client.send<int>("first", 1));
  REQUIRE(world.peer.reaches(1));
  const Failure late = failure_of(client.send<int>("late", 1, SendOptions().timeout(20ms)));
  CHECK(late.code == errc::timed_out);
  CHECK(late.fate == Fate::not_sent);
  CHECK_THAT(late.detail, Catch::Contains("limit"));
  CHECK_THROWS_AS(client.send<int>("cancelled", 1).get(20ms), TimeoutError);
  for (const char* name : {"second", "third", "fourth"}) world.outcomes.start(client, client.send<int>(name, 1));
  CHECK(failure_of(client.send<int>("too many", 1)).code == errc::overloaded);   // the places of those that left were free
  for (std::size_t next = 1; next <= 4; ++next) {
    REQUIRE(world.peer.reaches(next));
    CHECK(world.count() == next);
    world.peer.answer(client, world.peer.seen.get().back().id);
  }
  REQUIRE(world.outcomes.reach(4));
  CHECK(world.outcomes.succeeded() == 4);
  std::vector<std::string> order;
  for (const Seen& each : world.peer.seen.get()) order.push_back(each.route);
  CHECK(order == std::vector<std::string>{"first", "second", "third", "fourth"});
  CHECK(client.in_flight() == 0);
}

TEST_CASE("client limit: who waits is not ended by a connection that goes") {
  World world(json{{"limit", {{"concurrent", 1}, {"queue", 10}}}});
  const Client client = world.client();
  world.peer.will({Kind::disconnect});
  for (int i = 0; i < 10; ++i) world.outcomes.start(client, client.send<int>("a", i));
  REQUIRE(world.outcomes.reach(10));
  CHECK(world.outcomes.succeeded() == 9);
  CHECK(world.outcomes.codes().front() == errc::connection_lost);
}

TEST_CASE("client limit: a close ends those that wait") {
  World world(json{{"limit", {{"concurrent", 1}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::silence);
  for (int i = 0; i < 100; ++i) world.outcomes.start(client, client.send<int>("a", i));
  REQUIRE(world.peer.reaches(1));
  client.close().get();
  REQUIRE(world.outcomes.reach(100));
  for (const std::error_code& code : world.outcomes.codes()) CHECK(code == errc::closed);
  CHECK(world.count() == 1);
}

TEST_CASE("client limit: thousands that fail at once, one after the other") {
  World world(json{{"limit", {{"concurrent", 1}, {"queue", 5000}}}});
  const Client client = world.client();
  world.peer.will({Kind::silence}, Kind::not_taken);
  world.outcomes.start(client, client.send<int>("a", 0));
  REQUIRE(world.peer.reaches(1));
  for (int i = 0; i < 5000; ++i) world.outcomes.start(client, client.send<int>("a", i));
  world.peer.answer(client, world.peer.seen.get().front().id);
  REQUIRE(world.outcomes.reach(5001));
  CHECK(world.outcomes.succeeded() == 1);
}

TEST_CASE("client resilience: a call made within a handler has its deadline and its correlation id") {
  World world(retry(3, {{"idempotent", "*"}}));
  const Client client = world.client();
  const std::string route = "outer";
  const auto now = std::chrono::steady_clock::now();
  const auto within = [&](std::optional<std::chrono::steady_clock::time_point> deadline, SendOptions options = {}) {
    const Context context(spi::DeliveryPtr(new HandledMessage(client.loop(), world.app->plugins().serializer("json"), deadline)), "fake",
                          "s", route);
    return options.within(context), options;
  };
  CHECK(client.send<int>("a", 1, within(now + 10s)).get() == 1);
  CHECK(client.send<int>("a", 1, within(now + 10s, SendOptions().timeout(5s).header("correlation-id", "own"))).get() == 1);
  CHECK(client.send<int>("a", 1, within(std::nullopt, SendOptions().timeout(20s))).get() == 1);
  CHECK(client.emit("a", 1, within(now + 1s)).get() == Emitted::accepted);
  auto seen = world.peer.seen.get();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].deadline == now + 10s);
  CHECK(seen[0].headers.get("correlation-id") == "its id");
  CHECK(seen[1].deadline < now + 9s);
  CHECK(seen[1].headers.get("correlation-id") == "own");
  CHECK(seen[2].deadline > now + 15s);
  CHECK(seen[2].headers.get("correlation-id") == "its id");
  CHECK(seen[3].deadline == now + 1s);
  const Failure over = failure_of(client.send<int>("a", 1, within(now)));
  CHECK(over.code == errc::timed_out);
  CHECK(over.fate == Fate::not_sent);
  CHECK(world.count() == 4);   // not even a retry
  world.peer.will({}, Kind::silence);
  const Failure late = failure_of(client.send<int>("a", 1, within(std::chrono::steady_clock::now() + 20ms)));
  CHECK(late.code == errc::timed_out);
  CHECK(late.fate == Fate::unknown);
  CHECK_THAT(late.detail, Catch::Contains("deadline of what it is a part of"));
}

TEST_CASE("client resilience: what makes no sense is refused at start-up") {
  const auto refused = [](json settings) { return refusal([&] { return World(std::move(settings)).client().name(); }); };
  using Catch::Contains;
  CHECK_THAT(refused({{"retry", {{"attempts", 0}}}}), Contains("/clients/C/retry/attempts") && Contains("1 to 100"));
  CHECK_THAT(refused({{"retry", {{"on", "timeout"}}}}), Contains("/clients/C/retry/on"));
  CHECK_THAT(refused({{"retry", {{"backoff", "2s"}, {"maxBackoff", "1s"}}}}), Contains("/retry/maxBackoff: shorter than backoff"));
  CHECK(refused({{"retry", {{"backoff", "5s"}}}}).empty());
  CHECK_THAT(refused({{"timeout", "1s"}, {"retry", {{"attemptTimeout", "1s"}}}}), Contains("/retry/attemptTimeout: not shorter"));
  CHECK_THAT(refused({{"retry", {{"budget", {{"ratio", 0}, {"perSecond", 0}}}}}}), Contains("/retry/budget: allows no retry"));
  CHECK_THAT(refused({{"circuit", {{"failureRatio", 0}}}}), Contains("/circuit/failureRatio: found 0"));
  CHECK_THAT(refused({{"circuit", {{"failureRatio", 1.5}}}}), Contains("/circuit/failureRatio"));
  CHECK_THAT(refused({{"limit", json::object()}}), Contains("/clients/C/limit") && Contains("\"concurrent\" is missing"));
  CHECK_THAT(refused({{"maxInFlight", 100}, {"limit", {{"concurrent", 100}, {"queue", 1}}}}), Contains("/limit: concurrent and queue"));
}
