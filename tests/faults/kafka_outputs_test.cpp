// What handlers put out by their KafkaContext, alone and in transactions; the order of handling; requests asked again.

#include <signal.h>

#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../support/await.hpp"
#include "../support/process.hpp"
#include "../support/scratch.hpp"
#include "catch.hpp"
#include "ferry_test_paths.hpp"
#include "kafka_support.hpp"
#include "keyed_ledger.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

/// Hears events of one pattern, with their keys and headers. Its topic has one partition: between two there is no order.
class Heard {
 public:
  Heard(const std::string& pattern, const std::string& group)
      : app_(Config::from_json(service(group, json::object(), {{"subscribe", {{"fromBeginning", true}}}, {"topics", {{"partitions", 1}}}}))) {
    app_.on_event(pattern, [this](json data, Context& context) {
      const auto* kafka = context.as<KafkaContext>();
      json one{{"data", std::move(data)}, {"key", kafka->key().value_or("none")}};
      for (const auto& [name, value] : context.headers()) one[name] = value;
      all_.change([&](json& all) { all.push_back(one); });
    });
    app_.start();
  }
  bool reaches(std::size_t count) const {
    return all_.wait([count](const json& all) { return all.size() >= count; });
  }
  json get() const { return all_.get(); }

 private:
  Watched<json> all_{json::array()};
  Application app_;
};

json transactional(const std::string& id) {
  return {{"producer", {{"transactionalId", id}}}, {"run", {{"autoCommitInterval", 50}}}};
}

}  // namespace

TEST_CASE("kafka: what a handler emits leaves when it has succeeded, and not before") {
  const Quiet quiet;
  const std::string name = GENERATE(as<std::string>(), "plain", "transaction");
  CAPTURE(name);
  const Heard heard("out-" + name, "heard-" + name);
  Counter tried;
  Counter refused;   // Catch2 checks on one thread only
  Application app(Config::from_json(service("put-" + name, json::object(), name == "plain" ? json::object() : transactional("put"))));
  app.on_event("in-" + name, [&](int n, KafkaContext& context) {
    context.emit("out-" + name, {{"n", n}}, {{"key", "k" + std::to_string(n)}}, Headers().set("tenant", "acme"));
    tried.add();
    if (n == 1 && tried.get() < 3) throw std::runtime_error("not yet");
    if (n != 2) return;
    const auto try_to = [&](auto&&... what) {
      try {
        context.emit("out-" + name, what...);
      } catch (const Error&) {
        refused.add();
      }
    };
    try_to(n, json{{"no", "such"}});
    try_to(std::string(2000000, 'x'));
  });
  app.on_message("ask-" + name, [&](int n, KafkaContext& context) {
    context.emit("out-" + name, "asked");
    if (n == 0) throw RpcError("no");
    return n + 1;
  });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  client.emit("in-" + name, 1, SendOptions().record({{"key", "same"}})).get();
  client.emit("in-" + name, 2, SendOptions().record({{"key", "same"}})).get();
  REQUIRE(heard.reaches(2));
  CHECK_THROWS_AS(client.send<int>("ask-" + name, 0).get(), RpcError);
  CHECK(client.send<int>("ask-" + name, 1).get() == 2);
  REQUIRE(heard.reaches(3));
  CHECK(app.stop());
  CHECK(tried.get() == 4);   // and nothing was left in between
  CHECK(refused.get() == 2);
  const json all = heard.get();
  REQUIRE(all.size() == 3);
  CHECK(all[0] == json{{"data", {{"n", 1}}}, {"key", "k1"}, {"tenant", "acme"}});
  CHECK(all[1] == json{{"data", {{"n", 2}}}, {"key", "k2"}, {"tenant", "acme"}});
  CHECK(all[2] == json{{"data", "asked"}, {"key", "none"}});
}

TEST_CASE("kafka: order by key: one that takes long holds up its own key only") {
  const Quiet quiet;
  Watched<std::vector<std::string>> begun;
  Watched<bool> go{false};
  Application app(Config::from_json(service("by-key", json::object(), {{"order", "key"}, {"topics", {{"partitions", 1}}}})));
  app.on_event("keyed", [&](std::string text) -> task<void> {
    begun.change([&](auto& all) { all.push_back(text); });
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (text == "a1" && !go.get()) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  for (const char* text : {"a1", "a2", "b1", "a3", "b2"}) client.emit("keyed", text, SendOptions().record({{"key", std::string(1, text[0])}})).get();
  REQUIRE(begun.wait([](const auto& all) { return all.size() >= 3; }));
  CHECK(begun.get() == std::vector<std::string>{"a1", "b1", "b2"});
  go.change([](bool& value) { value = true; });
  REQUIRE(begun.wait([](const auto& all) { return all.size() >= 5; }));
  CHECK(begun.get() == std::vector<std::string>{"a1", "b1", "b2", "a2", "a3"});
}

TEST_CASE("kafka: a request whose handler wants to be asked again is, as often as maxDeliver lets it") {
  const Quiet quiet;
  Counter asked;
  Application app(Config::from_json(service("again", json::object(), {{"maxDeliver", 3}})));
  app.on_message("again", [&](int good_at) {
    asked.add();
    if (asked.get() < good_at) throw RetriableError("not yet");
    return asked.get();
  });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  CHECK(client.send<int>("again", 3).get() == 3);
  CHECK_THROWS_AS(client.send<int>("again", 1000).get(), RpcError);
  CHECK(asked.get() == 6);
}

TEST_CASE("kafka: transactions: each event is in the output once, though members and the broker are killed") {
  const Quiet quiet;
  const int events = ledger_events(50000);   // seen with 200000, too
  constexpr int keys = 250;
  const ScratchDirectory directory;
  KeyedLedger ledger(events, keys);
  KeyedEmitters emitters("tx-in", events, keys);
  std::mutex mutex;
  std::unordered_set<std::string> places;                    // in the output: the reader may hear one of them twice
  std::unordered_map<std::string, int> origins;              // in the input
  Application reader(Config::from_json(service("tx-read", json::object(), {{"subscribe", {{"fromBeginning", true}}}})));
  reader.on_event("tx-out", [&](json data, KafkaContext& context) {
    const std::lock_guard lock(mutex);
    if (!places.insert(std::to_string(context.partition()) + "/" + std::to_string(context.offset())).second) return;
    if (++origins[data.at("at").get<std::string>()] == 1) ledger.handled(data.at("n").get<int>());
  });
  reader.start();
  // Who comes back with its id ends the transaction that it left: else its partitions would wait until that times out.
  const auto member = [&](std::size_t number) {
    const std::string id = "tx-" + std::to_string(number);
    const json config = service("tx", {{"sessionTimeout", "1s"}, {"heartbeatInterval", "200ms"}}, transactional(id));
    directory.write(id + ".json", config.dump());
    auto process = std::make_unique<Process>(std::vector<std::string>{FERRY_BUILD_PROGRAM_DIR "/ferry_ledger_service",
                                                                       directory.path() + "/" + id + ".json", "tx-in", "emit", "tx-out"});
    process->line_of_stdout("READY");
    return process;
  };
  std::vector<std::unique_ptr<Process>> members;
  for (std::size_t i = 0; i < 3; ++i) members.push_back(member(i));
  Application calls(caller());
  emitters.start(calls.client("C"));
  for (const std::size_t i : {0U, 1U}) {
    REQUIRE(emitters.confirmed(events / 4 * static_cast<int>(i + 1), 120s));
    members[i]->signal(SIGKILL);
    members[i] = member(i);
  }
  REQUIRE(emitters.confirmed(events * 3 / 4, 120s));
  broker().kill();
  broker().start();
  REQUIRE(emitters.over(120s));
  const bool all = ledger.reaches(events, 120s);
  int twice = 0;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [at, times] : origins) twice += times - 1;
  }
  std::cout << "ledger, transactions: " << events << " confirmed, " << ledger.lost() << " lost, " << twice << " twice in the output, "
            << ledger.disorder() << " out of order, " << emitters.again() << " emitted again" << std::endl;
  CHECK(all);
  CHECK(ledger.lost() == 0);
  CHECK(twice == 0);
  CHECK(ledger.disorder() == 0);
}
