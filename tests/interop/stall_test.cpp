// NestJS stops reading while its own writes wait. Two peers that both do so lock each other up: ferry must not be one.

#include <chrono>
#include <cstdio>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "peers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

TEST_CASE("ferry and NestJS, both ways at the same time: 256 x 64 KiB each") {
  FERRY_NOT_APPLICABLE_IF(transport() != "tcp", "a broker takes what its readers do not");
  if (!nest_is_installed()) return;
  constexpr int calls = 256;
  const std::string text(65536, 'x');
  Counter ended;
  std::atomic<int> right{0};
  Place place;
  const auto nest_service = start_nest_service(place);
  // One loop for both directions: what stalls one stalls the other.
  Application app(Config::from_json(
      {{"threads", 1},
       {"services", {{"S", {{"transport", "tcp"}, {"options", {{"host", "127.0.0.1"}, {"port", 0}}}}}}},
       {"clients", {{"NEST", {{"transport", "tcp"}, {"options", place.options()}}}}}}));
  const Client client = app.client("NEST");
  app.on_message("echo", [](Payload payload) { return payload; });
  // Asked from inside a NestJS client's request, so that replies and requests wait for each other as well.
  app.on_message("relay", [client](std::string data) -> task<std::string> {
    auto call = client.send<std::string>("echo", data);
    co_return co_await std::move(call);
  });
  app.start();
  const std::string endpoint = app.services().front().endpoint;
  const std::string port = endpoint.substr(endpoint.rfind(':') + 1);

  const auto begin = std::chrono::steady_clock::now();
  const auto nest_echo = start_nest("stall", {"--port", port});
  const auto nest_relay = start_nest("stall", {"--port", port, "--pattern", "relay"});
  for (int round = 0; round < 4; ++round) {   // so that both directions are busy at the same time, whoever starts first
    for (int i = 0; i < calls; ++i) {
      asio::co_spawn(client.loop().executor(), client.send<std::string>("echo", text),
                     [&](std::exception_ptr error, const std::string& got) {
                       if (!error && got == text) ++right;
                       ended.add();
                     });
    }
    REQUIRE(ended.reaches((round + 1) * calls));
  }
  CHECK(right == 4 * calls);
  for (const auto& peer : {nest_echo.get(), nest_relay.get()}) {
    const Finished finished = peer->wait();
    REQUIRE(finished.code == 0);
    const json result = json::parse(finished.out);
    CHECK(result["ok"] == calls);
    CHECK(result["failed"] == 0);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("mutual stall: 4 x %d calls out, 2 x %d in, 64 KiB each: %.1f s\n", calls, calls, took.count());
}
