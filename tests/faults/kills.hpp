#pragma once
// What every broker transport has to stand: its broker dies under load.

#include <chrono>

#include "../support/broker.hpp"
#include "../support/load.hpp"
#include "catch.hpp"

namespace ferry::test {

/// Each call ends, in whatever way, and after each death calls are answered again. `limit`: for a broker that starts slowly.
inline void kill_under_load(EchoLoad& load, const Client& client, Broker& broker, int times,
                            std::chrono::seconds limit = patience) {
  load.start(client, [](const Error&) { return true; });   // one of the outcomes there are
  for (int i = 0; i < times; ++i) {
    REQUIRE(load.answered(500, limit));
    broker.kill();
    broker.start();
  }
  CHECK(load.answered(500, limit));
  REQUIRE(load.stop(limit));   // none is stuck
  CHECK(load.wrong() == 0);
  CHECK(client.in_flight() == 0);
}

}  // namespace ferry::test
