// What a broker in between makes different: it can go and come back by itself, knows who listens, and keeps or forgets.

#include <algorithm>
#include <array>
#include <functional>

#include "../support/load.hpp"
#include "../support/outcome.hpp"
#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using Clock = std::chrono::steady_clock;

namespace {

const nlohmann::json soon{{"reconnect", {{"backoff", "20ms"}, {"maxBackoff", "50ms"}}}};

/// The statuses of a client or a service, as they come.
class Statuses {
 public:
  void add(const StatusEvent& event) {
    all_.change([&](auto& all) { all.push_back(event.status); });
  }
  /// It has been `status` at least so often.
  bool reach(Status status, int times) const {
    return all_.wait([&](const auto& all) { return std::count(all.begin(), all.end(), status) >= times; });
  }

 private:
  Watched<std::vector<Status>> all_;
};

void watch(Application& service, Statuses& statuses) {
  service.on_status([&](std::string_view, const StatusEvent& event) { statuses.add(event); });
}

void watch(const Client& client, Statuses& statuses) {
  client.on_status([&](const StatusEvent& event) { statuses.add(event); });
}

/// Its only handlers are what most cases need: an echo, and somebody who notes its statuses.
std::function<void(Application&)> watched_echo(Statuses& statuses) {
  return [&statuses](Application& app) {
    add_echo(app);
    watch(app, statuses);
  };
}

}  // namespace

// ---- services that are away ------------------------------------------------------------------------------------------

TEST_CASE("no service behind the broker: the call ends at once where that can be known") {
  World world;
  FERRY_NEEDS_BROKER(world);
  FERRY_NEEDS(world, no_handler_reply);
  const Client client = world.client({{"timeout", "20s"}});
  if (world.requests_wait()) {
    const auto code = code_of([&] { client.send<int>("echo", 1, SendOptions().timeout(200ms)).get(); });
    CHECK((code == errc::timed_out || code == errc::no_handler));   // waits, unless no queue was ever bound to its pattern
    client.emit("echo", 1).get();
    return;
  }
  const auto begin = Clock::now();
  CHECK(code_of([&] { client.send<int>("echo", 1).get(); }) == errc::no_handler);
  CHECK(Clock::now() - begin < 10s);
  client.emit("echo", 1).get();   // an event nobody hears is no error
}

TEST_CASE("a service that restarts behind its broker is reached again") {
  World world;
  FERRY_NEEDS_BROKER(world);
  world.serve(add_echo);
  const Client client = world.client();
  CHECK(client.send<int>("echo", 1).get() == 1);
  for (int i = 0; i < 3; ++i) {
    CHECK(world.stop_service());
    world.serve(add_echo);
    CHECK(client.send<int>("echo", i).get() == i);
    CHECK(client.counters().connects == 1);   // all the time
  }
}

TEST_CASE("a request reaches one service of several, or its first answer counts") {
  World world;
  FERRY_NEEDS_BROKER(world);
  world.serve(add_echo);
  Application other = world.another_service();
  add_echo(other);
  other.start();
  const Client client = world.client();
  for (int i = 0; i < 200; ++i) CHECK(client.send<int>("echo", i).get() == i);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("an event reaches every instance of a service, or one") {
  constexpr std::size_t count = 200;
  using Seen = std::vector<int>;   // how often each event was heard
  using Both = std::array<Seen, 2>;
  Watched<Both> seen(Both{Seen(count), Seen(count)});
  World world;
  FERRY_NEEDS_BROKER(world);
  const auto hears = [&seen](std::size_t instance) {
    return [&seen, instance](Application& app) {
      app.on_event("numbered", [&seen, instance](std::size_t n) {
        seen.change([=](Both& both) { ++both.at(instance).at(n); });
      });
    };
  };
  world.serve(hears(0));
  Application other = world.another_service();
  hears(1)(other);
  other.start();
  const Client client = world.client();
  for (std::size_t i = 0; i < count; ++i) client.emit("numbered", i).get();
  const Seen once(count, 1);
  if (world.capabilities().fanout) {
    CHECK(seen.wait([&](const Both& both) { return both[0] == once && both[1] == once; }));
  } else {
    CHECK(seen.wait([&](const Both& both) {
      Seen together(count);
      std::transform(both[0].begin(), both[0].end(), both[1].begin(), together.begin(), std::plus());
      return together == once;
    }));
  }
}

TEST_CASE("an event waits for a service that is away, or is forgotten") {
  Watched<std::vector<int>> heard;
  World world;
  FERRY_NEEDS_BROKER(world);
  const auto handlers = [&](Application& app) {
    app.on_event("kept", [&](int n) { heard.change([n](auto& all) { all.push_back(n); }); });
  };
  world.serve(handlers);
  const Client client = world.client();
  const auto heard_of = [&](int n) {   // where nothing is ordered, it may not be the last
    return heard.wait([n](const auto& all) { return std::count(all.begin(), all.end(), n) == 1; });
  };
  client.emit("kept", 1).get();
  REQUIRE(heard_of(1));
  CHECK(world.stop_service());
  client.emit("kept", 2).get();
  world.serve(handlers);
  client.emit("kept", 3).get();
  REQUIRE(heard_of(3));
  if (world.capabilities().durable) CHECK(heard_of(2));
  CHECK(heard.get().size() == (world.capabilities().durable ? 3 : 2));
}

TEST_CASE("an event whose handler failed comes again") {
  Counter runs;
  Counter done;
  World world;
  if (!world.redelivers()) FERRY_NOT_APPLICABLE("the service does not ask for at-least-once");
  set_log_level(LogLevel::off);
  world.serve([&](Application& app) {
    app.on_event("tried", [&](int n) {
      runs.add();
      if (runs.get() < 3) throw std::runtime_error("not yet");
      done.add(n);
    });
  });
  world.client().emit("tried", 7).get();
  CHECK(done.reaches(7));
  CHECK(runs.get() == 3);
  CHECK(world.service().services().front().failed == 2);
  set_log_level(LogLevel::error);
}

TEST_CASE("a pattern with a wildcard") {
  World world;
  const auto [pattern, route] = world.wildcard();
  world.serve([&, pattern = pattern](Application& app) {
    app.on_message(pattern, [](Context& context) { return context.pattern(); });
    app.on_message("plain", [] { return "plain"; });
  });
  const Client client = world.client();
  CHECK(client.send<std::string>("plain").get() == "plain");
  if (world.capabilities().wildcard) {
    CHECK(client.send<std::string>(route).get() == pattern);
  } else {   // it is a name like any other
    CHECK(client.send<std::string>(pattern).get() == pattern);
    CHECK(code_of([&] { client.send<std::string>(route, 1, SendOptions().timeout(200ms)).get(); }) ==
          (world.capabilities().no_handler_reply ? errc::no_handler : errc::timed_out));
  }
}

// ---- brokers that are away -------------------------------------------------------------------------------------------

TEST_CASE("client and service come back by themselves when their broker does") {
  Statuses of_client;
  Statuses of_service;
  World world;
  FERRY_NEEDS_BROKER(world);
  set_log_level(LogLevel::off);
  world.serve(watched_echo(of_service), soon);
  const Client client = world.client(soon);
  watch(client, of_client);
  CHECK(client.send<int>("echo", 0).get() == 0);
  for (int i = 1; i <= 3; ++i) {
    world.broker()->kill();
    REQUIRE(of_client.reach(Status::disconnected, i));
    REQUIRE(of_service.reach(Status::disconnected, i));
    world.broker()->start();
    REQUIRE(of_client.reach(Status::connected, i + 1));
    REQUIRE(of_service.reach(Status::connected, i + 1));
    CHECK(client.send<int>("echo", i).get() == i);
  }
  CHECK(client.in_flight() == 0);
  set_log_level(LogLevel::error);
}

TEST_CASE("what is in flight ends at once when the broker goes") {
  Counter started;
  Outcomes outcomes;
  World world;
  FERRY_NEEDS_BROKER(world);
  world.serve([&](Application& app) {
    app.on_message("never", [&]() -> task<int> {
      started.add();
      co_await world.forever();
      co_return 0;
    });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client({{"timeout", "20s"}});
  constexpr int calls = 10;
  for (int i = 0; i < calls; ++i) outcomes.start(client, client.send<int>("never"));
  REQUIRE(started.reaches(calls));
  const auto begin = Clock::now();
  world.broker()->kill();
  REQUIRE(outcomes.reach(calls));
  CHECK(Clock::now() - begin < 5s);
  for (const std::error_code& code : outcomes.codes()) CHECK(code == errc::connection_lost);
  CHECK(client.in_flight() == 0);
  world.close_client();
  set_log_level(LogLevel::error);
}

TEST_CASE("what is called while the broker is away waits for it") {
  Counter heard;
  Statuses of_client;
  Statuses of_service;
  Outcomes outcomes;
  World world;
  FERRY_NEEDS_BROKER(world);
  FERRY_NEEDS_GATE(world);
  set_log_level(LogLevel::off);
  world.serve([&](Application& app) {
    add_echo(app);
    app.on_event("noted", [&](int n) { heard.add(n); });
    watch(app, of_service);
  }, soon);
  const Client client = world.client(soon);
  watch(client, of_client);
  CHECK(client.send<int>("echo", 1).get() == 1);
  world.broker()->kill();
  REQUIRE(of_client.reach(Status::disconnected, 1));
  const SendOptions patient = SendOptions().timeout(60s);   // there are brokers that take long to start
  outcomes.start(client, client.send<int>("echo", 2, patient));
  outcomes.start<Emitted>(client, client.emit("noted", 3, patient));
  REQUIRE(of_client.reach(Status::reconnecting, 3));
  CHECK(outcomes.codes().empty());
  world.gate()->stall(true);   // the client gets through when the service is there again, and not before
  world.broker()->start();
  REQUIRE(of_service.reach(Status::connected, 2));
  world.gate()->stall(false);
  REQUIRE(outcomes.reach(2));
  for (const std::error_code& code : outcomes.codes()) CHECK(code == std::error_code());
  CHECK(heard.reaches(3));
  set_log_level(LogLevel::error);
}

TEST_CASE("what waits for a broker ends at its deadline, and was not sent") {
  Statuses statuses;
  World world;
  FERRY_NEEDS_BROKER(world);
  set_log_level(LogLevel::off);
  const Client client = world.client(soon);
  watch(client, statuses);
  client.connect().get();
  world.broker()->kill();
  REQUIRE(statuses.reach(Status::disconnected, 1));
  const auto expect_not_sent = [](auto call) {
    const auto begin = Clock::now();   // before its limit begins
    try {
      call().get();
      FAIL("there is no broker");
    } catch (const TimeoutError& error) {
      CHECK(error.code() == errc::timed_out);
      CHECK(error.fate() == Fate::not_sent);
      CHECK(error.is_retryable());
    }
    CHECK(Clock::now() - begin >= 200ms);
    CHECK(Clock::now() - begin < 5s);
  };
  expect_not_sent([&] { return client.send<int>("echo", 1, SendOptions().timeout(200ms)); });
  expect_not_sent([&] { return client.emit("noted", 1, SendOptions().timeout(200ms)); });
  CHECK(client.in_flight() == 0);
  set_log_level(LogLevel::error);
}

TEST_CASE("a service does not start without its broker") {
  World world(true);
  FERRY_NEEDS_BROKER(world);
  world.broker()->stop();
  set_log_level(LogLevel::off);
  const auto begin = Clock::now();
  try {
    world.serve(add_echo);
    FAIL("there is no broker");
  } catch (const ConnectionError& error) {
    CHECK(error.code() == errc::not_connected);
    CHECK_THAT(error.what(), Catch::Contains("/services/suite/options"));
  }
  CHECK(Clock::now() - begin < 10s);
  set_log_level(LogLevel::error);
}

TEST_CASE("a service waits for its broker if told to") {
  Statuses statuses;
  World world(true);
  FERRY_NEEDS_BROKER(world);
  world.broker()->stop();
  set_log_level(LogLevel::off);
  nlohmann::json settings = soon;
  settings["waitOnFirstConnect"] = true;
  world.serve(watched_echo(statuses), settings);
  REQUIRE(statuses.reach(Status::reconnecting, 2));
  world.broker()->start();
  REQUIRE(statuses.reach(Status::connected, 1));
  CHECK(world.client().send<int>("echo", 1).get() == 1);
  set_log_level(LogLevel::error);
}

TEST_CASE("a service whose broker is away stops") {
  Statuses statuses;
  World world;
  FERRY_NEEDS_BROKER(world);
  set_log_level(LogLevel::off);
  world.serve(watched_echo(statuses));
  const Client client = world.client();
  client.connect().get();
  world.broker()->kill();
  REQUIRE(statuses.reach(Status::disconnected, 1));
  const auto begin = Clock::now();
  CHECK(world.stop_service());
  client.close().get();
  CHECK(Clock::now() - begin < 5s);
  set_log_level(LogLevel::error);
}

TEST_CASE("a service whose connection is cut listens again") {
  Statuses statuses;
  World world;
  FERRY_NEEDS_SERVICE_GATE(world);
  set_log_level(LogLevel::off);
  world.serve(watched_echo(statuses), soon);
  const Client client = world.client({{"timeout", "10s"}});
  for (int i = 1; i <= 5; ++i) {
    CHECK(client.send<int>("echo", i).get() == i);
    world.service_gate()->cut();
    REQUIRE(statuses.reach(Status::disconnected, i));
    REQUIRE(statuses.reach(Status::connected, i + 1));
  }
  CHECK(client.send<int>("echo", 6).get() == 6);
  CHECK(client.counters().connects == 1);   // the client was not concerned
  set_log_level(LogLevel::error);
}

TEST_CASE("a service stops while its broker does not answer") {
  Statuses statuses;
  World world;
  FERRY_NEEDS_SERVICE_GATE(world);
  set_log_level(LogLevel::off);
  world.serve(watched_echo(statuses), soon);
  const int before = world.service_gate()->accepted();
  world.service_gate()->stall(true);
  world.service_gate()->cut();
  REQUIRE(world.service_gate()->accepts(before + 1));   // the next attempt is under way
  const auto begin = Clock::now();
  CHECK(world.stop_service());
  CHECK(Clock::now() - begin < 15s);   // at once, or with shutdownTimeout: a library that connects may not be interruptible
  set_log_level(LogLevel::error);
}

TEST_CASE("a service that is cut off under load leaves no call without an outcome") {
  Statuses statuses;
  EchoLoad load;
  World world;
  FERRY_NEEDS_SERVICE_GATE(world);
  set_log_level(LogLevel::off);
  world.serve(watched_echo(statuses), soon);
  const Client client = world.client({{"timeout", "300ms"}});
  load.start(client, [](const Error& error) {
    return error.code() == errc::timed_out || error.code() == errc::no_handler;   // nobody listens just now
  });
  for (int cut = 1; cut <= 5; ++cut) {
    REQUIRE(load.answered(200));
    world.service_gate()->cut();
    REQUIRE(statuses.reach(Status::connected, cut + 1));
  }
  REQUIRE(load.stop());
  CHECK(load.wrong() == 0);
  CHECK(client.in_flight() == 0);
  set_log_level(LogLevel::error);
}
