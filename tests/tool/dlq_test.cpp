// ferry dlq: what a service gave up, over brokers of the test's own.

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "support/broker.hpp"
#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

bool built(const std::string& transport) {
  static const json all = json::parse(ferry_tool({"transports", "--json"}).out).at("plugins");
  const bool there = std::any_of(all.begin(), all.end(), [&](const json& one) { return one.at("name") == transport; });
  if (!there) std::cout << "not applicable: this build has no transport " << transport << std::endl;
  return there;
}

/// A service on a broker of its own, whose handler of `order.paid` fails until it is mended.
class Shop {
 public:
  explicit Shop(const std::string& transport) : transport_(transport), broker(transport == "rmq" ? "rabbitmq" : transport) {
    json options;
    if (transport == "redis") {
      url = broker.url();
      options = {{"host", "127.0.0.1"}, {"port", broker.port()}, {"streams", {{"maxDeliver", 2}, {"retryDelay", "1ms"}}}};
    } else if (transport == "rmq") {
      url = broker.url() + "?queue=orders";
      options = {{"urls", {broker.url()}}, {"queue", "orders"}, {"maxDeliver", 2}, {"redeliveryDelay", 1}};
    } else {
      url = broker.url() + "?stream=orders";
      options = {{"servers", {broker.url()}}, {"stream", "orders"}, {"maxDeliver", 2}, {"redeliveryDelay", "1ms"}};
    }
    json client_options = options;
    for (const char* name : {"maxDeliver", "redeliveryDelay"}) client_options.erase(name);
    if (transport == "redis") client_options["streams"] = json::object();
    if (transport != "rmq") client_options["mode"] = transport == "redis" ? "streams" : "jetstream";
    const json whole{{"threads", 1},
                     {"services", {{"orders", {{"transport", transport}, {"options", options}, {"delivery", "at-least-once"}}}}},
                     {"clients", {{"SHOP", {{"transport", transport}, {"options", client_options}}}}}};
    file = scratch_.file("app.json", whole.dump());
    start();
  }

  void start() {
    app = std::make_unique<Application>(Application::from_file(file));
    app->on_event("order.paid", [this](const json& order, Context& context) {
      if (!mended.get()) throw RpcError("the stock is closed");
      const std::string tenant(context.headers().get("tenant").value_or(""));
      handled.change([&](auto& all) { all.push_back(order.dump() + tenant); });
    });
    app->start();
  }
  void pay(int order) {
    app->client("SHOP").emit("order.paid", json{{"order", order}}, SendOptions().header("tenant", "acme")).get();
  }

  Finished dlq(std::vector<std::string> words) const {
    words.insert(words.begin(), "dlq");
    words.insert(words.begin() + 2, {"--config", file, "--service", "orders"});
    return ferry_tool(std::move(words));
  }
  /// What is listed, once that is so many: it is the broker's to say when.
  std::vector<json> letters(std::size_t count) const {
    const auto limit = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const Finished run = dlq({"list", "--json"});
      INFO(run.err);
      REQUIRE(run.code == 0);
      std::vector<json> all;
      std::istringstream lines(run.out);
      for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
      if (all.size() == count || std::chrono::steady_clock::now() > limit) return all;
    }
  }
  bool handles(std::vector<std::string> orders) const {
    std::sort(orders.begin(), orders.end());
    return handled.wait([&](auto all) {
      std::sort(all.begin(), all.end());
      return all == orders;
    });
  }
  /// From now on nothing can go back to where it came from.
  void close_origin() {
    app->stop();
    if (transport_ == "redis") {
      Process({"/usr/bin/redis-cli", "-p", std::to_string(broker.port()), "SET", "ferry:order.paid", "no stream"}).wait();
      return;
    }
    const std::string queue = R"({resource,<<"/">>,queue,<<"orders">>})";
    ask_rabbitmq("rabbit_amqqueue:delete_immediately_by_resource([" + queue + "])");
    const auto limit = std::chrono::steady_clock::now() + patience;
    while (!has(ask_rabbitmq("rabbit_amqqueue:lookup(" + queue + ")"), "not_found")) {
      REQUIRE(std::chrono::steady_clock::now() < limit);
    }
  }

 private:
  /// Erlang that erl_call's own arguments cannot say.
  std::string ask_rabbitmq(const std::string& expression) const {
    return broker.tell("file script [\"" + scratch_.file("ask.erl", expression + ".\n") + "\"]");
  }

  const std::string transport_;
  const Scratch scratch_;

 public:
  Broker broker;
  std::string url;
  std::string file;
  Watched<bool> mended{false};
  Watched<std::vector<std::string>> handled;
  std::unique_ptr<Application> app;
};

}  // namespace

TEST_CASE("dlq lists and shows what a service gave up, and replays it") {
  const std::string name = GENERATE(as<std::string>(), "redis", "rmq", "nats");
  if (!built(name)) return;
  CAPTURE(name);
  Shop shop(name);
  std::vector<json> letters;
  for (const int order : {1, 2, 3}) {   // one after the other, for their order
    shop.pay(order);
    letters = shop.letters(static_cast<std::size_t>(order));
  }
  REQUIRE(letters.size() == 3);
  for (const json& letter : letters) {
    CHECK(letter.at("pattern") == "order.paid");
    CHECK(letter.at("attempts") == 2);
    CHECK_FALSE(letter.at("cause").get<std::string>().empty());
    CHECK_FALSE(letter.at("origin").get<std::string>().empty());
    CHECK(letter.at("headers") == json{{"tenant", "acme"}});
    CHECK(letter.at("time").get<std::int64_t>() > 1700000000000);
  }
  CHECK(letters[0].at("data") == json{{"order", 1}});

  // Looking changes nothing, and a URL will do.
  CHECK(shop.letters(3) == letters);
  const std::string second = letters[1].at("id");
  const Finished listed = ferry_tool({"dlq", "list", shop.url, "--limit", "2"});
  CHECK(listed.code == 0);
  CHECK(std::count(listed.out.begin(), listed.out.end(), '\n') == 2);
  CHECK(has(listed.out, second + "  20"));
  CHECK(has(listed.out, "order.paid  2 attempts"));

  const Finished shown = shop.dlq({"show", second});
  CHECK(shown.code == 0);
  CHECK(has(shown.out, "data      " + letters[1].at("data").dump()));
  CHECK(has(shown.out, "header    tenant: acme"));
  CHECK(json::parse(shop.dlq({"show", second, "--json"}).out) == letters[1]);
  const Finished unknown = shop.dlq({"show", "order.paid@1-1"});
  CHECK(unknown.code == 64);
  CHECK(has(unknown.err, "there is no dead letter order.paid@1-1"));

  shop.mended.change([](bool& is) { is = true; });
  CHECK(shop.dlq({"replay", second}).out == "replayed " + second + "\n");
  CHECK(shop.handles({letters[1].at("data").dump() + "acme"}));
  CHECK(shop.dlq({"replay", second}).code == 64);   // it is there no more
  CHECK(shop.letters(2) == std::vector<json>{letters[0], letters[2]});
  const Finished rest = shop.dlq({"replay", "--all", "--json"});
  CHECK(rest.code == 0);
  CHECK(json::parse(rest.out.substr(0, rest.out.find('\n'))) == json{{"replayed", letters[0].at("id")}});
  CHECK(shop.letters(0).empty());
  CHECK(shop.handles({R"({"order":1}acme)", R"({"order":2}acme)", R"({"order":3}acme)"}));
}

TEST_CASE("what cannot go back to where it came from stays among the dead letters") {
  const std::string name = GENERATE(as<std::string>(), "redis", "rmq");
  if (!built(name)) return;
  CAPTURE(name);
  Shop shop(name);
  shop.pay(1);
  const std::vector<json> letters = shop.letters(1);
  REQUIRE(letters.size() == 1);
  shop.close_origin();
  const Finished failed = shop.dlq({"replay", "--all"});
  CHECK(failed.code != 0);
  CHECK_FALSE(failed.err.empty());
  CHECK(failed.out.empty());
  CHECK(shop.letters(1) == letters);
}

TEST_CASE("dlq says which transports have dead letters, and what it needs") {
  const Finished tcp = ferry_tool({"dlq", "list", "tcp://127.0.0.1:1"});
  CHECK(tcp.code == 64);
  CHECK(has(tcp.err, "tcp, with these options, keeps no dead letters that could be looked at"));
  if (built("redis")) {
    CHECK(has(tcp.err, "redis"));
    CHECK_FALSE(has(tcp.err, "memory"));
    const Finished pubsub = ferry_tool({"dlq", "list", "redis://127.0.0.1:1?mode=pubsub"});
    CHECK(pubsub.code == 64);
    const Finished away = ferry_tool({"dlq", "list", "redis://127.0.0.1:1", "--json"});
    CHECK(away.code == 3);
    CHECK(has(away.out, R"({"error":{"kind":"not_connected")"));
    CHECK(ferry_tool({"dlq", "show", "redis://127.0.0.1:1"}).code == 64);
    CHECK(ferry_tool({"dlq", "replay", "redis://127.0.0.1:1"}).code == 64);
  }
  CHECK(ferry_tool({"dlq", "list", "orders"}).code == 64);
  CHECK(ferry_tool({"dlq", "burn", "redis://127.0.0.1:1"}).code == 64);
  CHECK(ferry_tool({"dlq", "list"}).code == 64);
}
