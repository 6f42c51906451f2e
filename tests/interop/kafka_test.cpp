// ferry and NestJS on Kafka, in both directions. NestJS has patterns, keys and types of its own there: so have these cases.

#include <signal.h>

#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "peers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

/// One for all cases: it takes long to start.
const Broker& broker() {
  static const Broker one("kafka");
  return one;
}

json options() { return {{"client", {{"brokers", {"127.0.0.1:" + std::to_string(broker().port())}}}}}; }

Application caller() {
  return Application(Config::from_json({{"clients", {{"NEST", {{"transport", "kafka"}, {"options", options()}}}}}}));
}

/// Handlers for NestJS clients.
class Service {
 public:
  Service()
      : app_(Config::from_json({{"services", {{"S", {{"transport", "kafka"}, {"options", options()}}}}}})) {
    app_.on_message("k.echo", [](Payload payload) { return payload; });
    app_.on_message("k.sum", [](std::vector<double> xs) {
      double sum = 0;
      for (const double x : xs) sum += x;
      return sum;
    });
    app_.on_message("k.twice", [](int n) { return 2 * n; });   // NestJS sends "21"
    app_.on_message("k.text", [](std::string text) { return text + "!"; });
    app_.on_message("k.nothing", [] {});
    app_.on_message("k.error", [] { throw RpcError(json{{"code", 42}, {"message", "boom"}}); });
    app_.on_message("k.throws", [] { throw std::runtime_error("a detail that stays here"); });
    app_.on_message("k.stream", [](ReplyWriter<json>& out) -> task<void> {
      for (int i = 1; i <= 3; ++i) {
        const json item{{"i", i}};
        co_await out.write(item);
      }
    });
    app_.on_message("k.about", [](KafkaContext& context) {
      json found{{"key", context.key().value_or("none")}, {"topic", context.topic()}};
      for (const auto& [name, value] : context.headers()) found["headers"][name] = value;
      return found;
    });
    app_.on_event("k.event", [this](json data, KafkaContext& context) {
      heard.change([&](json& all) { all.push_back({{"data", data}, {"key", context.key().value_or("none")}}); });
    });
    app_.start();
  }
  Watched<json> heard{json::array()};

 private:
  Application app_;
};

std::unique_ptr<Process> nest_client(const json& calls, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"--url", broker().url(), "--calls", calls.dump()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return start_nest("kafka-client", std::move(arguments));
}

std::vector<json> lines_of(const Finished& finished) {
  INFO(finished.err);
  REQUIRE(finished.code == 0);
  std::vector<json> lines;
  std::istringstream out(finished.out);
  for (std::string line; std::getline(out, line);) {
    if (!line.starts_with("READY")) lines.push_back(json::parse(line));
  }
  return lines;
}

}  // namespace

TEST_CASE("kafka: ferry client, NestJS service") {
  FERRY_NOT_APPLICABLE_IF(transport() != "kafka", "it is about Kafka");
  if (!nest_is_installed()) return;
  const auto service = start_nest("kafka-service", {"--url", broker().url()});
  service->line_of_stdout("READY");
  Application app = caller();
  const Client client = app.client("NEST");
  CHECK(client.send<std::string>("k.echo", "hi é€😀").get() == "hi é€😀");
  CHECK(client.send<json>("k.echo", json{{"a", {1, "b", nullptr}}}).get() == json{{"a", {1, "b", nullptr}}});
  CHECK(client.send<int>("k.echo", 5).get() == 5);             // there and back as "5"
  CHECK(client.send<json>("k.echo", 5).get() == "5");          // which is what NestJS callers see
  CHECK(client.send<bool>("k.echo", false).get() == false);
  CHECK(client.send<std::string>("k.echo", "").get().empty());
  CHECK(client.send<json>("k.type", "123").get() == json{{"type", "string"}, {"data", "123"}});
  CHECK(client.send<double>("k.sum", std::array{1, 2, 3}).get() == 6);
  CHECK(client.send<json>("k.null", "x").get().is_null());
  client.send<void>("k.null", "x").get();
  std::vector<int> items;
  for (auto stream = client.stream<int>("k.stream", "x"); auto value = stream.next().get();) items.push_back(*value);
  CHECK(items == std::vector{1, 2, 3});
  const auto body = [&](const char* pattern) {
    try {
      client.send<json>(pattern, "x").get();
    } catch (const RpcError& error) {
      return error.body();
    }
    return json("no error");
  };
  CHECK(body("k.error") == json{{"code", 42}, {"message", "boom"}});
  CHECK(body("k.throws") == json{{"status", "error"}, {"message", "Internal server error"}});
  CHECK(client.send<json>("k.about", "x", SendOptions().record({{"key", "K1"}}).header("tenant", "acme")).get() ==
        json{{"about", {{"key", "K1"}, {"headers", {{"tenant", "acme"}}}}}});
  CHECK(client.emit("k.event", json{{"n", 1}}, SendOptions().record({{"key", "K2"}})).get() == Emitted::confirmed);
  CHECK_NOTHROW(service->line_of_stdout(R"({"event":{"n":1},"key":"K2","headers":{}})"));
  CHECK(client.in_flight() == 0);
}

TEST_CASE("kafka: NestJS client, ferry service") {
  FERRY_NOT_APPLICABLE_IF(transport() != "kafka", "it is about Kafka");
  if (!nest_is_installed()) return;
  Service service;
  struct Case {
    json call;
    json result;
  };
  const auto send = [](const char* pattern, json data) { return json{{"kind", "send"}, {"pattern", pattern}, {"data", std::move(data)}}; };
  const auto emitted = [](json values) { return json{{"emitted", std::move(values)}}; };
  set_log_level(LogLevel::off);
  const std::vector<Case> cases{
      {send("k.echo", "hi é€😀"), emitted({"hi é€😀"})},
      {send("k.echo", {{"a", 1}}), emitted({{{"a", 1}}})},
      {send("k.echo", 5), emitted({"5"})},   // as from a NestJS service
      {send("k.echo", "{not json"), emitted({"{not json"})},
      {send("k.sum", {1, 2, 3}), emitted({"6"})},
      {send("k.twice", 21), emitted({"42"})},
      {send("k.text", "hi"), emitted({"hi!"})},
      {send("k.nothing", "x"), emitted({nullptr})},
      {send("k.error", "x"), {{"emitted", json::array()}, {"error", {{"code", 42}, {"message", "boom"}}}}},
      {send("k.throws", "x"), {{"emitted", json::array()}, {"error", {{"status", "error"}, {"message", "Internal server error"}}}}},
      {send("k.about", {{"key", "K1"}, {"value", "v"}, {"headers", {{"tenant", "acme"}}}}),
       emitted({{{"key", "K1"}, {"topic", "k.about"}, {"headers", {{"tenant", "acme"}}}}})},
  };
  json calls = json::array();
  for (const Case& each : cases) calls.push_back(each.call);
  calls.push_back(send("k.stream", "x"));
  calls.push_back({{"kind", "emit"}, {"pattern", "k.event"}, {"data", {{"key", "K2"}, {"value", {{"n", 1}}}}}});
  const auto lines = lines_of(nest_client(calls)->wait());
  REQUIRE(lines.size() == cases.size() + 2);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(cases[i].call);
    CHECK(lines[i] == cases[i].result);
  }
  // The end may come with the last item or alone, which to NestJS's clients is one more null.
  json items = lines[cases.size()].at("emitted");
  if (!items.empty() && items.back().is_null()) items.erase(items.size() - 1);
  CHECK(items == json{{{"i", 1}}, {{"i", 2}}, {{"i", 3}}});
  CHECK(service.heard.wait([](const json& all) { return all == json::array({{{"data", {{"n", 1}}}, {"key", "K2"}}}); }));
  set_log_level(LogLevel::error);
}

TEST_CASE("kafka: two NestJS clients at once, and one that is restarted") {
  FERRY_NOT_APPLICABLE_IF(transport() != "kafka", "it is about Kafka");
  if (!nest_is_installed()) return;
  const Service service;
  const json call{{{"kind", "send"}, {"pattern", "k.twice"}, {"data", 21}}};
  const auto killed = nest_client(call, {"--again", "20000", "--session", "2000"});   // the others wait until it is missed
  killed->line_of_stdout("READY");
  killed->signal(SIGKILL);   // with its requests on their way
  killed->wait();
  const auto one = nest_client(call, {"--again", "300"});
  const auto two = nest_client(call, {"--again", "300"});
  CHECK(lines_of(one->wait()).back() == json{{"ok", 300}});
  CHECK(lines_of(two->wait()).back() == json{{"ok", 300}});
}

TEST_CASE("kafka: two ferry clients of one NestJS service, and one that is restarted") {
  FERRY_NOT_APPLICABLE_IF(transport() != "kafka", "it is about Kafka");
  if (!nest_is_installed()) return;
  const auto service = start_nest("kafka-service", {"--url", broker().url()});
  service->line_of_stdout("READY");
  Application first = caller();
  const Client staying = first.client("NEST");
  for (int round = 0; round < 3; ++round) {
    Outcomes outcomes;
    Application second = caller();   // comes and goes
    const Client coming = second.client("NEST");
    for (int i = 0; i < 50; ++i) {
      outcomes.start(staying, staying.send<int>("k.echo", i));
      outcomes.start(coming, coming.send<int>("k.echo", i));
    }
    REQUIRE(outcomes.reach(100));
    CHECK(outcomes.succeeded() == 100);
    outcomes.start(coming, coming.send<int>("k.echo", 1));   // it goes with this on its way
    second.stop();
    REQUIRE(outcomes.reach(101));
    CHECK(staying.send<int>("k.echo", round).get() == round);
  }
}
