// Faults on the way between client and service. Each ends every call, within its deadline.

#include "../support/load.hpp"
#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("bytes that come one at a time") {
  World world;
  FERRY_NEEDS_GATE(world);
  world.serve(add_echo);
  const Client client = world.client();
  if (world.whole_handshake()) client.connect().get();
  world.gate()->piece(1);
  for (const char* text : {"x", "é€😀", "a longer text that takes many pieces"}) {
    CHECK(client.send<std::string>("echo", text).get() == text);
  }
}

TEST_CASE("a connection that stalls ends its calls at their deadlines, and goes on") {
  World world;
  FERRY_NEEDS_GATE(world);
  world.serve(add_echo);
  const Client client = world.client();
  CHECK(client.send<int>("echo", 1).get() == 1);
  world.gate()->stall(true);
  CHECK_THROWS_AS(client.send<int>("echo", 2, SendOptions().timeout(100ms)).get(), TimeoutError);
  world.gate()->stall(false);
  CHECK(client.send<int>("echo", 3).get() == 3);
}

TEST_CASE("connections that are cut under load lose no outcome") {
  EchoLoad load;
  World world;
  FERRY_NEEDS_GATE(world);
  world.serve(add_echo);
  const Client client = world.client({{"reconnect", {{"backoff", "5ms"}, {"maxBackoff", "20ms"}}}});
  set_log_level(LogLevel::off);
  load.start(client, [](const Error& error) { return dynamic_cast<const ConnectionError*>(&error) != nullptr; });
  for (int cut = 0; cut < 10; ++cut) {
    REQUIRE(load.answered(500));
    world.gate()->cut();
  }
  REQUIRE(load.stop());
  CHECK(load.wrong() == 0);
  CHECK(load.lost() > 0);
  CHECK(client.in_flight() == 0);
  set_log_level(LogLevel::error);
}
