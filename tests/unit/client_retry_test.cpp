// What a client does with calls that fail: retries.

#include <functional>

#include "client_resilience_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace ferry::test::resilience;
using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE("client retry: what was not sent is sent again, whole, under another id") {
  World world(retry(3));
  const Client client = world.client();
  world.peer.will({Kind::not_taken, Kind::nobody_there});
  const std::string text(1000, 'x');
  CHECK(client.send<int>("a", text).get() == 1);
  const auto seen = world.peer.seen.get();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].payload == '"' + text + '"');   // the transport took each one's contents over
  CHECK(seen[2].payload == seen[0].payload);
  CHECK(seen[0].id != seen[1].id);
  CHECK(seen[1].id != seen[2].id);
  CHECK(client.counters().retries == 2);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("client retry: what may have been received is sent again only if that does no harm") {
  World world(retry(3, {{"idempotent", {"get.*", R"({"b":1,"a":2})"}}}));
  const Client client = world.client();
  world.peer.will({}, Kind::lost);
  const auto attempts = [&](Pattern pattern, SendOptions options = {}) {
    const std::size_t before = world.count();
    const Failure failure = failure_of(client.send<int>(std::move(pattern), 1, std::move(options)));
    CHECK(failure.code == errc::connection_lost);
    CHECK(failure.fate == Fate::unknown);
    return world.count() - before;
  };
  CHECK(attempts("create") == 1);
  CHECK(attempts("create", SendOptions().idempotent()) == 3);
  CHECK(attempts("get.all") == 3);
  CHECK(attempts({{"a", 2}, {"b", 1}}) == 3);
  CHECK(attempts("get.all", SendOptions().idempotent(false)) == 1);
  CHECK(attempts("get.all", SendOptions().attempts(1)) == 1);
  CHECK(attempts("get.all", SendOptions().attempts(5)) == 5);
}

TEST_CASE("client retry: in code alone, and not at all without a word of it") {
  World world(json::object());
  const Client client = world.client();
  world.peer.will({Kind::not_taken});
  CHECK(failure_of(client.send<int>("a", 1)).code == errc::overloaded);
  world.peer.will({Kind::not_taken});
  CHECK(client.send<int>("a", 1, SendOptions().attempts(2)).get() == 1);
  CHECK(client.send<int>("a", 1).get() == 1);   // as before, now that there are policies
  CHECK(world.count() == 4);
  CHECK_THROWS_AS(SendOptions().attempts(0), std::invalid_argument);
  CHECK_THROWS_AS(SendOptions().attempts(101), std::invalid_argument);
}

TEST_CASE("client retry: the fate of a call is that of all its attempts") {
  World world(retry(2));
  const Client client = world.client();
  world.peer.will({Kind::lost, Kind::not_taken});
  const Failure failure = failure_of(client.send<int>("a", 1, SendOptions().idempotent()));
  CHECK(failure.code == errc::overloaded);
  CHECK(failure.fate == Fate::unknown);
  CHECK_THAT(failure.detail, Catch::Contains("attempt 2 of 2"));
  for (const Kind last : {Kind::rejected, Kind::unknown_there, Kind::nobody_there}) {   // an answer says nothing of those before
    world.peer.will({Kind::lost, last});
    CHECK(failure_of(client.send<int>("a", 1, SendOptions().idempotent())).fate == Fate::unknown);
  }
  world.peer.will({Kind::not_taken, Kind::rejected});
  CHECK(failure_of(client.send<int>("a", 1)).fate == Fate::confirmed);
}

TEST_CASE("client retry: an answer is an answer, unless it is listed") {
  World world(retry(3, {{"idempotent", "*"}}));
  const Client client = world.client();
  world.peer.will({Kind::rejected, Kind::unknown_there});
  CHECK(failure_of(client.send<int>("a", 1)).code == errc::rejected);
  CHECK(failure_of(client.send<int>("a", 1)).code == errc::no_handler);
  CHECK(world.count() == 2);
  World listed(retry(3, {{"idempotent", "*"}, {"on", "rejected"}}));
  listed.peer.will({Kind::rejected, Kind::rejected});
  CHECK(listed.client().send<int>("a", 1).get() == 1);
  CHECK(listed.count() == 3);
  listed.peer.will({Kind::lost});
  CHECK(failure_of(listed.client().send<int>("a", 1)).code == errc::connection_lost);
}

TEST_CASE("client retry: an attempt that is not answered in time is given up, and its service told") {
  World world(retry(3, {{"attemptTimeout", 20}}));
  const Client client = world.client();
  world.peer.will({Kind::silence, Kind::silence});
  CHECK(client.send<int>("a", 1, SendOptions().idempotent()).get() == 1);
  const auto seen = world.peer.seen.get();
  REQUIRE(seen.size() == 3);
  CHECK(world.peer.cancelled.get() == std::vector{seen[0].id, seen[1].id});
  CHECK(seen[0].deadline < seen[1].deadline);
  CHECK(client.counters().late_replies == 0);
  world.peer.answer(client, seen[0].id);   // late: to nobody
  CHECK(client.send<int>("a", 1).get() == 1);
  CHECK(client.counters().late_replies == 1);
  world.peer.will({Kind::silence});
  const auto called = std::chrono::steady_clock::now();
  const Failure failure = failure_of(client.send<int>("a", 1, SendOptions().timeout(100ms)));   // all its time, once
  CHECK(failure.code == errc::timed_out);
  CHECK(std::chrono::steady_clock::now() - called >= 100ms);
  CHECK(world.count() == 5);
}

TEST_CASE("client retry: never past the deadline") {
  World world(json{{"retry", {{"attempts", 100}, {"backoff", 60000}, {"maxBackoff", 60000}}}});
  const Client client = world.client();
  world.peer.will({Kind::not_taken});
  const Failure failure = failure_of(client.send<int>("a", 1, SendOptions().timeout(20s)));   // told at once, not after 20 s
  CHECK(failure.code == errc::overloaded);
  CHECK(world.count() == 1);
}

TEST_CASE("client retry: a cancel and a close end the wait for the next attempt at once") {
  World world(json{{"retry", {{"attempts", 3}, {"backoff", 20000}, {"maxBackoff", 20000}}}, {"timeout", "1h"}});
  const Client client = world.client();
  world.peer.will({}, Kind::lost);
  CHECK_THROWS_AS(client.send<int>("a", 1, SendOptions().idempotent()).get(100ms), TimeoutError);
  CHECK(client.in_flight() == 0);
  CHECK(world.peer.cancelled.get().empty());   // nobody has it
  world.outcomes.start(client, client.send<int>("a", 1, SendOptions().idempotent()));
  REQUIRE(world.peer.reaches(2));
  client.close().get();
  REQUIRE(world.outcomes.reach(1));
  CHECK(world.outcomes.codes().front() == errc::closed);
}

TEST_CASE("client retry: a stream until its first value, an event by its fate") {
  World world(retry(2));
  const Client client = world.client();
  world.peer.will({Kind::not_taken});
  auto stream = client.stream<int>("a", 1);
  CHECK(stream.next().get() == 1);
  CHECK_FALSE(stream.next().get());
  world.peer.will({}, Kind::value_then_lost);
  auto cut = client.stream<int>("a", 1, SendOptions().idempotent());
  CHECK(cut.next().get() == 1);
  CHECK(failure_of(cut.next()).code == errc::connection_lost);
  CHECK(world.count() == 3);
  world.peer.will({Kind::not_taken});
  CHECK(client.emit("e", 1).get() == Emitted::accepted);
  world.peer.will({Kind::lost});
  CHECK(failure_of(static_cast<Call<Emitted>>(client.emit("e", 1))).code == errc::connection_lost);
  world.peer.will({Kind::lost});
  CHECK(client.emit("e", 1, SendOptions().idempotent()).get() == Emitted::accepted);
  CHECK(world.count() == 8);
}

TEST_CASE("client retry: through a connection that goes, and attempts to connect that fail") {
  World world(retry(20, {{"idempotent", "*"}}));
  const Client client = world.client();
  world.peer.refused_connects = 3;
  world.peer.will({Kind::disconnect, Kind::disconnect});
  CHECK(client.send<int>("a", 1).get() == 1);
  CHECK(world.count() == 3);
  CHECK(client.counters().connects == 3);
}

TEST_CASE("client retry: no more than the budget") {
  World world(retry(3, {{"budget", {{"ratio", 0.1}, {"perSecond", 1}}}}));
  const Client client = world.client();
  world.peer.will({}, Kind::not_taken);
  for (int i = 0; i < 100; ++i) CHECK(failure_of(client.send<int>("a", 1)).code == errc::overloaded);
  CHECK(client.counters().retries <= 30);   // ten of the floor, a tenth of a hundred; twice ten where time has passed
  CHECK(client.counters().retries >= 10);
  CHECK(client.counters().retries_refused > 0);
  CHECK(world.count() == 100 + client.counters().retries);
}
