// A service and its broker: one that is away, that goes and that comes back.

#include "service_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace ferry::test::service;

TEST_CASE("service: a broker that is away at the start is an error, and nothing is tried again") {
  World world(settings_of(false));
  world.up = false;
  const auto failure = world.listen();
  REQUIRE(failure);
  CHECK(failure->code == errc::not_connected);
  CHECK(world.attempts.get() == 1);
}

TEST_CASE("service: it may start without its broker, and is there when the broker is") {
  World world(settings_of(true));
  world.up = false;
  CHECK_FALSE(world.listen());
  CHECK(world.attempts.reaches(5));
  CHECK(world.service.status() != Status::connected);
  world.up = true;
  CHECK(world.becomes(Status::connected));
}

TEST_CASE("service: it comes back after its broker was lost") {
  World world(settings_of(false));
  CHECK_FALSE(world.listen());
  CHECK(world.becomes(Status::connected));
  world.up = false;
  world.service.on_disconnected(Failure(errc::connection_lost, "gone"));
  CHECK(world.attempts.reaches(4));
  CHECK(world.statuses.get().back() != Status::connected);
  world.up = true;
  CHECK(world.becomes(Status::connected));
  const auto statuses = world.statuses.get();
  CHECK(std::count(statuses.begin(), statuses.end(), Status::disconnected) >= 3);
  CHECK(world.errors.get() == 0);
}

TEST_CASE("service: when no attempt is left it says so, once") {
  World world(settings_of(false, 2));
  CHECK_FALSE(world.listen());
  world.up = false;
  world.service.on_disconnected(Failure(errc::connection_lost, "gone"));
  CHECK(world.errors.reaches(1));
  CHECK(world.attempts.get() == 3);
  CHECK(world.becomes(Status::disconnected));
}

TEST_CASE("service: a drain does not wait for a broker that did not answer its attempt") {
  World world(settings_of(false));
  world.lose_a_broker_that_falls_silent();
  Counter drained;
  world.service.drain([&] { drained.add(); });
  CHECK(drained.reaches(1));
}

TEST_CASE("service: an attempt that succeeds while it drains changes nothing") {
  World world(settings_of(false));
  world.lose_a_broker_that_falls_silent();
  Counter drained;
  world.service.drain([&] { drained.add(); });
  REQUIRE(drained.reaches(1));
  Counter answered;
  world.runtime.loops().front()->post([&] {
    std::exchange(world.broker->unanswered, nullptr)(nullptr);
    answered.add();
  });
  REQUIRE(answered.reaches(1));
  CHECK(world.statuses.get().back() == Status::draining);
}

TEST_CASE("service: a drain ends the attempts") {
  World world(settings_of(true));
  world.up = false;
  CHECK_FALSE(world.listen());
  CHECK(world.attempts.reaches(2));
  Counter drained;
  world.service.drain([&] { drained.add(); });
  CHECK(drained.reaches(1));
  const int before = world.attempts.get();
  Counter later;   // ten of the longest waits
  asio::steady_timer timer(world.runtime.loops().front()->executor(), 50ms);
  timer.async_wait([&](std::error_code) { later.add(); });
  CHECK(later.reaches(1));
  CHECK(world.attempts.get() == before);
  CHECK(world.becomes(Status::draining));
}

TEST_CASE("service: a request that its caller has cancelled already, or that came too late, is not handled") {
  World world(settings_of(false));
  Counter handled;
  world.handles("work", false, [&] { handled.add(); });
  CHECK_FALSE(world.listen());
  world.arrives({.request = true, .awaited = false});
  world.arrives({.request = true, .deadline = std::chrono::steady_clock::now() - 1s});
  REQUIRE(world.fates.ended(2));
  CHECK(handled.get() == 0);
  CHECK(world.service.counters().expired == 2);
  world.arrives({.request = true, .deadline = std::chrono::steady_clock::now() + 1h});
  REQUIRE(world.fates.ended(3));
  CHECK(handled.get() == 1);
  CHECK(world.fates.settled.get() == std::vector(3, spi::Settlement::ack));
}
