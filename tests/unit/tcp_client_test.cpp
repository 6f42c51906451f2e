// A tcp client: requests, events, and how its connections end.

#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

TEST_CASE("tcp client: requests, events and their outcomes", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<std::string> events;
  service.log.handle = [&](const spi::DeliveryPtr& delivery) {
    if (!delivery->expects_reply()) events.emplace_back(delivery->view().payload);
    echo(delivery);
  };
  service.start();
  Caller caller(io, {{"port", service.port()}});
  caller.connect();
  CHECK(caller.log.connected == "tcp://127.0.0.1:" + std::to_string(service.port()));
  for (spi::EmitToken i = 0; i < 100; ++i) {
    CHECK(caller.emit(i, "counted", std::to_string(i)));
    CHECK(caller.log.emitted.empty());   // never from inside the call
  }
  const std::string large = '"' + std::string(3 << 20, 'x') + '"';
  CHECK(caller.request("a", "echo", large));
  CHECK(caller.request("b", "nobody", "1"));
  CHECK(caller.reply(1) == "b! \"There is no matching message handler defined in the remote service.\"");
  CHECK(caller.reply(0) == "a " + large);
  REQUIRE(events.size() == 100);
  CHECK(events[99] == "99");
  REQUIRE(caller.log.emitted.size() == 100);
  CHECK(caller.log.emitted[99] == 99);
}

TEST_CASE("tcp client: it says why it cannot connect", "[tcp]") {
  TestIo io;
  std::uint16_t port = 0;
  {
    Service gone(io, json::object());
    port = gone.start().port();
  }
  Caller caller(io, {{"port", port}});
  caller.attempt();
  REQUIRE(caller.log.disconnected);
  CHECK(caller.log.disconnected->detail ==
        "cannot connect to tcp://127.0.0.1:" + std::to_string(port) + ": connection refused");
  CHECK(caller.log.disconnected->code == errc::not_connected);
  CHECK(caller.log.disconnected->fate == Fate::not_sent);
  CHECK_FALSE(caller.request("a", "echo", "1"));
  CHECK(caller.refusal.code == errc::not_connected);
}

TEST_CASE("tcp client: nonsense from a service ends the connection", "[tcp]") {
  TestIo io;
  for (const char* nonsense : {"3#abc", "x#1", "0#", "2#{}5"}) {
    INFO(nonsense);
    RawService nest(io);
    Caller caller(io, {{"port", nest.port()}, {"incompleteMessageTimeout", 50}});
    caller.connect();
    Raw peer = nest.accept();
    CHECK(caller.request("A", "echo", "1"));
    peer.send(nonsense);
    run_until(io, [&] { return caller.log.disconnected.has_value(); });
    CHECK(caller.log.disconnected->code == errc::connection_lost);
    CHECK(caller.log.disconnected->detail.starts_with("Connection closed: "));
    peer.read_to_end();
  }
}

TEST_CASE("tcp client: the end of its service is seen at once", "[tcp]") {
  TestIo io;
  RawService nest(io);
  Caller caller(io, {{"port", nest.port()}});
  caller.connect();
  { Raw peer = nest.accept(); }
  run_until(io, [&] { return caller.log.disconnected.has_value(); });
  CHECK(caller.log.disconnected->code == errc::connection_lost);
  caller.log = {};
  caller.connect();   // again
}

TEST_CASE("tcp client: close sends what was taken", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::size_t events = 0;
  service.log.handle = [&](const spi::DeliveryPtr&) { ++events; };
  service.start();
  Caller caller(io, {{"port", service.port()}});
  caller.connect();
  for (spi::EmitToken i = 0; i < 1000; ++i) CHECK(caller.emit(i, "e", '"' + std::string(1000, 'x') + '"'));
  caller.close(10s);
  CHECK(caller.log.emitted.size() == 1000);
  run_until(io, [&] { return events == 1000; });
  CHECK_FALSE(caller.log.disconnected);
}

TEST_CASE("tcp client: close waits for nothing that nobody waits for", "[tcp]") {
  TestIo io;
  RawService silent(io);   // takes everything, answers nothing, and does not end its side
  const auto closes_within = [&](bool events, std::chrono::milliseconds limit) {
    Caller caller(io, {{"port", silent.port()}});
    caller.connect();
    Raw peer = silent.accept();
    if (events) CHECK(caller.emit(1, "evt", "1"));
    CHECK(caller.request("A", "slow", "1"));
    caller.client->cancel("A");
    const auto begin = std::chrono::steady_clock::now();
    caller.close(10s);
    return std::chrono::steady_clock::now() - begin < limit;
  };
  CHECK(closes_within(false, 500ms));
  // A late reply to the request would meet a reset, and that the event with it if the service had not read it yet.
  CHECK_FALSE(closes_within(true, 500ms));
}

}  // namespace
