// The store of handled messages against a Redis of the test's own.

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include "await.hpp"
#include "broker.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "ferry/seen_in_redis.hpp"
#include "process.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

SeenInRedisOptions at(const Broker& broker) {
  SeenInRedisOptions options;
  options.port = broker.port();
  return options;
}

/// Runs it to its end on a loop of its own.
template <class T>
T now(task<T> work) {
  asio::io_context loop;
  auto result = asio::co_spawn(loop, std::move(work), asio::use_future);
  loop.run();
  return result.get();
}

std::string cli(const Broker& broker, std::vector<std::string> words) {
  words.insert(words.begin(), {"/usr/bin/redis-cli", "-p", std::to_string(broker.port())});
  return Process(std::move(words)).wait().out;
}

}  // namespace

TEST_CASE("seen in redis: no, running, done; and failed is as if it had never come") {
  const Broker broker("redis");
  const auto one = seen_in_redis(at(broker));
  const auto other = seen_in_redis(at(broker));   // another instance
  CHECK(now(one->begin("a")) == Handled::no);
  CHECK(now(one->begin("a")) == Handled::running);
  CHECK(now(other->begin("a")) == Handled::running);
  now(one->done("a"));
  CHECK(now(other->begin("a")) == Handled::done);
  CHECK(now(one->begin("b")) == Handled::no);
  now(one->failed("b"));
  CHECK(now(other->begin("b")) == Handled::no);
  // Both marks go by themselves.
  CHECK(std::stol(cli(broker, {"PTTL", "ferry:seen:a"})) > 23L * 3600 * 1000);
  const long running = std::stol(cli(broker, {"PTTL", "ferry:seen:b"}));
  CHECK(running > 0);
  CHECK(running <= 300'000);
}

TEST_CASE("seen in redis: who was thought dead does not end what another has begun") {
  const Broker broker("redis");
  const auto slow = seen_in_redis(at(broker));
  const auto other = seen_in_redis(at(broker));
  REQUIRE(now(slow->begin("a")) == Handled::no);
  cli(broker, {"DEL", "ferry:seen:a"});   // as if its time had run out
  REQUIRE(now(other->begin("a")) == Handled::no);
  now(slow->failed("a"));
  CHECK(now(slow->begin("a")) == Handled::running);
  now(slow->done("a"));
  CHECK(now(slow->begin("a")) == Handled::running);
  now(other->done("a"));
  CHECK(now(slow->begin("a")) == Handled::done);
}

TEST_CASE("seen in redis: without Redis it is an error, and then it connects again") {
  Broker broker("redis");
  const auto seen = seen_in_redis(at(broker));
  CHECK(now(seen->begin("a")) == Handled::no);
  broker.stop();
  CHECK_THROWS_AS(now(seen->begin("b")), ConnectionError);
  broker.start();
  CHECK(now(seen->begin("b")) == Handled::no);
  SeenInRedisOptions wrong = at(broker);
  wrong.password = "none is set";
  CHECK_THROWS_AS(now(seen_in_redis(wrong)->begin("c")), Error);
}

TEST_CASE("seen in redis: an event is handled once, though it comes twice") {
  const Broker broker("redis");
  Application app(Config::from_json({{"threads", 1},
                                     {"services", {{"one", {{"transport", "memory"}, {"options", {{"name", "seen"}}}}}}},
                                     {"clients", {{"C", {{"transport", "memory"}, {"options", {{"name", "seen"}}}}}}}}));
  Watched<std::vector<int>> handled;
  app.on_event("paid", [&](int order) { handled.change([order](auto& all) { all.push_back(order); }); },
               Pipeline().interceptor(handle_once(seen_in_redis(at(broker)), [](Context& context) {
                 return std::string(context.headers().get("id").value_or(""));
               })));
  app.start();
  const Client client = app.client("C");
  for (const int order : {1, 2, 3}) {   // the third is another message
    client.emit("paid", order, SendOptions().header("id", order == 3 ? "y" : "x")).get();
    if (order == 1) REQUIRE(handled.wait([](const auto& all) { return all.size() == 1; }));
    if (order == 1) {   // its end is noted
      const auto limit = std::chrono::steady_clock::now() + patience;
      while (cli(broker, {"GET", "ferry:seen:x"}) != "done\n" && std::chrono::steady_clock::now() < limit) {}
    }
  }
  CHECK(handled.wait([](const auto& all) { return all.size() == 2; }));
  app.stop();
  CHECK(handled.get() == std::vector<int>{1, 3});
}
