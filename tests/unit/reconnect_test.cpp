#include "reconnect.hpp"

#include "catch.hpp"

using namespace ferry::detail;
using namespace std::chrono_literals;
using State = Reconnect::State;

TEST_CASE("reconnect: one attempt at a time, when wanted") {
  Reconnect machine({-1, 100ms, 1000ms}, 1);
  CHECK(machine.state() == State::idle);
  CHECK(machine.wanted());
  CHECK_FALSE(machine.wanted());
  machine.connected();
  CHECK(machine.state() == State::connected);
  CHECK_FALSE(machine.wanted());
}

TEST_CASE("reconnect: without limit, backing off with jitter up to the longest wait") {
  Reconnect machine({-1, 100ms, 1000ms}, 7);
  REQUIRE(machine.wanted());
  auto full = 100ms;
  for (int i = 0; i < 200; ++i) {
    const auto delay = machine.lost();
    REQUIRE(delay);
    CHECK(*delay >= full / 2);
    CHECK(*delay <= full);
    full = std::min(2 * full, std::chrono::milliseconds(1000));
    CHECK_FALSE(machine.wanted());   // a call waits for the attempt that is due
    REQUIRE(machine.due());
    CHECK_FALSE(machine.due());
  }
  machine.connected();
  CHECK(*machine.lost() <= 100ms);   // success starts over
}

TEST_CASE("reconnect: a limit on attempts ends in idle, and the next call starts over") {
  Reconnect machine({2, 10ms, 10ms}, 3);
  REQUIRE(machine.wanted());
  CHECK(machine.lost());
  REQUIRE(machine.due());
  CHECK(machine.lost());
  REQUIRE(machine.due());
  CHECK_FALSE(machine.lost());
  CHECK(machine.state() == State::idle);
  CHECK(machine.wanted());
}

TEST_CASE("reconnect: closed is for good") {
  Reconnect machine({-1, 10ms, 10ms}, 3);
  REQUIRE(machine.wanted());
  machine.close();
  machine.connected();
  CHECK(machine.state() == State::closed);
  CHECK_FALSE(machine.lost());
  CHECK_FALSE(machine.wanted());
  CHECK_FALSE(machine.due());
}
