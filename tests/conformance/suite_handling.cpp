// What a service's config says of how messages are handled: limits, order by key, retries, dead letters, needs.

#include <algorithm>
#include <array>
#include <map>

#include "../support/outcome.hpp"
#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

/// How many are in it at once.
class Room {
 public:
  void enter() {
    const int now = ++inside_;
    int before = most_;
    while (before < now && !most_.compare_exchange_weak(before, now)) {}
  }
  void leave() { --inside_; }
  int most() const { return most_; }

 private:
  std::atomic<int> inside_{0};
  std::atomic<int> most_{0};
};

task<void> moment(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

json order_of(int user, int n) { return {{"user", user}, {"n", n}}; }

}  // namespace

TEST_CASE("a service handles no more at once than maxConcurrency, and loses none") {
  constexpr int calls = 300;
  Room room;
  World world;
  world.serve([&](Application& app) {
    app.on_message("work", [&](int n) -> task<int> {
      room.enter();
      co_await moment(2ms);
      room.leave();
      co_return n;
    });
  }, {{"maxConcurrency", 4}});
  const Client client = world.client();
  Counter ended;
  std::atomic<int> right{0};
  for (int i = 0; i < calls; ++i) {
    asio::co_spawn(client.loop().executor(), client.send<int>("work", i), [&, i](std::exception_ptr error, int got) {
      if (!error && got == i) ++right;
      ended.add();
    });
  }
  REQUIRE(ended.reaches(calls));
  CHECK(right == calls);
  CHECK(room.most() <= 4);
  CHECK(room.most() > 1);
}

TEST_CASE("a limit that adapts begins with few at once, lets more in, and never more than maxConcurrency") {
  constexpr int calls = 200;
  Room all;
  Room first;   // those that began before it can have measured
  Counter ended;
  Outcomes outcomes;
  World world;
  world.serve([&](Application& app) {
    app.on_message("work", [&](int n) -> task<int> {
      const bool early = ended.get() < 15;
      all.enter();
      if (early) first.enter();
      co_await moment(2ms);
      if (early) first.leave();
      all.leave();
      ended.add();
      co_return n;
    });
  }, {{"adaptiveConcurrency", true}, {"maxConcurrency", 8}});
  const Client client = world.client();
  for (int i = 0; i < calls; ++i) outcomes.start(client, client.send<int>("work", i));
  REQUIRE(outcomes.reach(calls));
  CHECK(outcomes.succeeded() == calls);
  CHECK(first.most() <= 3);
  CHECK(all.most() > 3);
  CHECK(all.most() <= 8);
}

TEST_CASE("a rate limit holds back what comes too fast, and loses none") {
  Counter handled;
  World world;
  world.serve([&](Application& app) { app.on_event("tick", [&](int) { handled.add(); }); },
              {{"rateLimit", {{"messages", 20}, {"per", "1s"}, {"burst", 5}}}});
  const Client client = world.client();
  client.connect().get();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) client.emit("tick", i);
  REQUIRE(handled.reaches(10));
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took >= 240ms);   // five at once, and five at a twentieth of a second each
}

TEST_CASE("messages of one key are handled one after another in their order, those of others at once") {
  constexpr int users = 4;
  constexpr int each = 25;
  World world;
  // A transport without order of its own hands over in any, but never two of one key at once.
  const bool in_order = (world.capabilities().ordered || world.keyed("0").is_object()) && !world.pool();
  std::array<Room, users> rooms;
  Room all;
  Watched<std::map<int, std::vector<int>>> seen;
  Counter ended;
  world.serve([&](Application& app) {
    app.on_event("order", [&](json order) -> task<void> {
      const int user = order.at("user");
      rooms[static_cast<std::size_t>(user)].enter();
      all.enter();
      seen.change([&](auto& value) { value[user].push_back(order.at("n")); });
      co_await moment(5ms);
      all.leave();
      rooms[static_cast<std::size_t>(user)].leave();
      ended.add();
    });
  }, {{"orderBy", "/user"}});
  const Client client = world.client();
  for (int n = 0; n < each; ++n) {
    for (int user = 0; user < users; ++user) {
      const json record = world.keyed(std::to_string(user));
      client.emit("order", order_of(user, n), record.is_null() ? SendOptions() : SendOptions().record(record));
    }
  }
  REQUIRE(ended.reaches(users * each));
  for (const auto& [user, numbers] : seen.get()) {
    CAPTURE(user);
    CHECK(rooms[static_cast<std::size_t>(user)].most() == 1);
    if (in_order) CHECK(std::is_sorted(numbers.begin(), numbers.end()));
  }
  CHECK(all.most() > 1);
}

TEST_CASE("an event that fails is tried again with backoff, and holds up no other") {
  Watched<std::vector<int>> attempts;
  Counter others;
  World world;
  Application& service = world.serve([&](Application& app) {
    app.on_event("flaky", [&](int succeeds_at, Context& context) {
      const int attempt = static_cast<int>(context.attempt());
      attempts.change([&](auto& all) { all.push_back(attempt); });
      if (attempt < succeeds_at) throw std::runtime_error("not yet");
    });
    app.on_event("other", [&](int) {
      if (attempts.get().size() < 3) others.add();
    });
  }, {{"retry", {{"attempts", 3}, {"backoff", "300ms"}, {"maxBackoff", "300ms"}}}});
  set_log_level(LogLevel::off);
  const Client client = world.client();
  client.emit("flaky", 3).get();
  REQUIRE(attempts.wait([](const auto& all) { return all.size() == 1; }));
  for (int i = 0; i < 5; ++i) client.emit("other", i).get();
  CHECK(others.reaches(5));
  REQUIRE(attempts.wait([](const auto& all) { return all.size() == 3; }));
  CHECK(attempts.get() == std::vector<int>{1, 2, 3});
  CHECK(service.stop());   // and that was the end of it
  CHECK(attempts.get().size() == 3);
  set_log_level(LogLevel::error);
}

TEST_CASE("an event that is given up goes to the dead-letter destination, with the cause") {
  Watched<json> dead;
  Counter tried;
  World world;
  FERRY_NEEDS(world, headers);
  world.serve_and_call([&](Application& app) {
    app.on_event("dead", [&](json data, Context& context) {
      json letter{{"data", std::move(data)}};
      for (const auto& [name, value] : context.headers()) letter[name] = value;
      dead.change([&](json& value) { value = letter; });
    });
    app.on_event("poison", [&](json) {
      tried.add();
      throw std::runtime_error("cannot digest this");
    });
  }, {{"retry", {{"attempts", 2}, {"backoff", "1ms"}}}, {"deadLetter", {{"client", "SUITE"}, {"pattern", "dead"}}}});
  set_log_level(LogLevel::off);
  world.client().emit("poison", order_of(7, 1), SendOptions().header("tenant", "acme")).get();
  REQUIRE(dead.wait([](const json& value) { return !value.is_null(); }));
  const json letter = dead.get();
  CHECK(letter.at("data") == order_of(7, 1));
  CHECK(letter.at("tenant") == "acme");
  CHECK(letter.at("dead-letter-pattern") == "poison");
  CHECK(letter.at("dead-letter-service") == "suite");
  CHECK(letter.at("dead-letter-attempts") == "2");
  CHECK(letter.at("dead-letter-cause") == "cannot digest this");
  CHECK(tried.get() == 2);
  set_log_level(LogLevel::error);
}

TEST_CASE("a handler's needs are granted or refused at start-up, with the reason") {
  World world;
  const auto start_with = [&](Needs needs, const json& settings) {
    world.serve([&](Application& app) { app.on_event("needy", [](int) {}, needs); }, settings);
    CHECK(world.stop_service());
  };
  const auto refusal = [&](Needs needs) -> std::string {
    try {
      start_with(needs, json::object());
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  const std::vector<Grant> grants = world.grants();
  REQUIRE(grants.size() == needs::all.size());
  for (const Grant& grant : grants) {
    CAPTURE(grant.name, grant.why);
    const std::string text = refusal(grant.need);
    if (grant.granted) {
      CHECK(text.empty());
    } else {
      CHECK(text.find("the handler of needy needs " + std::string(grant.name) + ", which it does not have here: the transport " +
                      world.transport()) != std::string::npos);
      CHECK(text.find(grant.why) != std::string::npos);
    }
    if (grant.need == needs::at_least_once) CHECK(grant.granted == world.redelivers());
  }
  if (world.capabilities().ordered) start_with(needs::ordered_by_key, {{"orderBy", "/key"}, {"retry", {{"attempts", 2}}}});
  if (world.redelivers()) start_with(needs::at_least_once | needs::durable | needs::reply, json::object());
}
