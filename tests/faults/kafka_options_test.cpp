// What options do that shows on a broker only.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <asio/steady_timer.hpp>

#include "../support/await.hpp"
#include "catch.hpp"
#include "kafka_cluster.hpp"
#include "kafka_support.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

/// Not at-least-once.
json plain_service(const std::string& group, const json& more) {
  json config = service(group, json::object(), more);
  config["services"]["s"].erase("delivery");
  config["services"]["s"]["options"].erase("retryDelay");
  return config;
}

/// How many handlers run at once, at most. On one loop.
struct Crowd {
  int now = 0;
  int most = 0;
  Counter done;

  task<void> visit() {
    most = std::max(most, ++now);
    asio::steady_timer timer(co_await asio::this_coro::executor, 3ms);
    co_await timer.async_wait(asio::use_awaitable);
    --now;
    done.add();
  }
};

}  // namespace

TEST_CASE("kafka: partitionsConsumedConcurrently and maxPendingPerPartition bound what is handled at once") {
  const Quiet quiet;
  struct Case {
    std::string name;
    json options;
    int most;
  };
  const Case one = GENERATE(Case{"partitions", {{"run", {{"partitionsConsumedConcurrently", 2}}}}, 2},
                            Case{"records", {{"maxPendingPerPartition", 3}, {"order", "none"}, {"topics", {{"partitions", 1}}}}, 3});
  CAPTURE(one.name);
  Crowd crowd;
  Application app(Config::from_json(service("crowd-" + one.name, json::object(), one.options)));
  app.on_event("crowd-" + one.name, [&](int) -> task<void> { return crowd.visit(); });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  const int partitions = one.name == "partitions" ? 6 : 1;
  for (int i = 0; i < 60; ++i) client.emit("crowd-" + one.name, i, SendOptions().record({{"partition", i % partitions}}));   // all at once
  CHECK(crowd.done.reaches(60));
  CHECK(app.stop());
  CHECK(crowd.most <= one.most);
}

TEST_CASE("kafka: without autoCommit the group's place is where a handler commits it") {
  const Quiet quiet;
  const json one_by_one{{"run", {{"autoCommit", false}}}, {"topics", {{"partitions", 1}}}};
  Watched<std::vector<int>> heard;
  const auto make = [&] {
    auto app = std::make_unique<Application>(Config::from_json(plain_service("own-commits", one_by_one)));
    app->on_event("own-commits", [&](int n, KafkaContext& context) {
      if (n == 2) context.commit();
      heard.change([n](auto& all) { all.push_back(n); });
    });
    app->start();
    return app;
  };
  const auto hears = [&](const std::vector<int>& all) {
    return heard.wait([&](const auto& now) { return now == all; });
  };
  auto first = make();
  Application calls(caller());
  const Client client = calls.client("C");
  for (int i = 0; i < 5; ++i) client.emit("own-commits", i).get();
  CHECK(hears({0, 1, 2, 3, 4}));
  CHECK(first->stop());
  const auto second = make();
  CHECK(hears({0, 1, 2, 3, 4, 3, 4}));
}

TEST_CASE("kafka: who only observes hears requests and answers none") {
  const Quiet quiet;
  Counter heard;
  Application observer(Config::from_json(plain_service("observer", {{"observe", true}})));
  observer.on_message("observed", [&](int) { heard.add(); });
  observer.start();
  Application app(Config::from_json(service("observed")));
  app.on_message("observed", [](int n) { return n + 1; });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  for (int i = 0; i < 20; ++i) CHECK(client.send<int>("observed", i).get() == i + 1);
  CHECK(heard.reaches(20));
}

TEST_CASE("kafka: topics that are not there, and not to be made, are named") {
  const Quiet quiet;
  const json keep_out{{"allowAutoTopicCreation", false}};
  json config{{"threads", 1}, {"clients", {{"C", {{"transport", "kafka"}, {"options", {{"client", connection()}, {"producer", keep_out}}}}}}}};
  Application calls(Config::from_json(config));
  const Client client = calls.client("C");
  CHECK_THAT(failure_of([&] { client.emit("missing", 1).get(); }), Catch::Contains("missing does not exist"));
  CHECK_THAT(failure_of([&] { client.send<int>("missing", 1).get(); }), Catch::Contains("missing does not exist"));
  const auto start = [](const std::string& name, const json& consumer, const json& more) {
    Application app(Config::from_json(service(name, consumer, more)));
    app.on_event(name, [](int) {});
    app.start();
  };
  CHECK_THAT(failure_of([&] { start("absent", keep_out, json::object()); }), Catch::Contains("absent does not exist"));
  CHECK_THAT(failure_of([&] { start("graveless", json::object(), {{"producer", keep_out}}); }),
             Catch::Contains("graveless.dead does not exist"));
  Application makes(caller());
  CHECK(makes.client("C").emit("missing", 1).get() == Emitted::confirmed);
  CHECK(client.emit("missing", 2).get() == Emitted::confirmed);   // once it is there
}

TEST_CASE("kafka: a broker that does not let us create a topic is quoted") {
  const Quiet quiet;
  Broker strict("kafka", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nallow.everyone.if.no.acl.found=true\n");
  const std::string brokers = "127.0.0.1:" + std::to_string(strict.port());
  {
    const Driver driver(brokers);
    driver.rule(RD_KAFKA_RESOURCE_BROKER, "kafka-cluster", RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
    driver.rule(RD_KAFKA_RESOURCE_BROKER, "kafka-cluster", RD_KAFKA_ACL_OPERATION_CREATE, RD_KAFKA_ACL_PERMISSION_TYPE_DENY);
    driver.rule(RD_KAFKA_RESOURCE_TOPIC, "forbidden", RD_KAFKA_ACL_OPERATION_DESCRIBE, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
    driver.rule(RD_KAFKA_RESOURCE_TOPIC, "forbidden", RD_KAFKA_ACL_OPERATION_CREATE, RD_KAFKA_ACL_PERMISSION_TYPE_DENY);
  }
  const json options{{"client", {{"brokers", {brokers}}, {"requestTimeout", "1s"}}}};
  Application calls(Config::from_json({{"threads", 1}, {"clients", {{"C", {{"transport", "kafka"}, {"options", options}}}}}}));
  CHECK_THAT(failure_of([&] { calls.client("C").emit("forbidden", 1).get(); }), Catch::Contains("cannot create the topic forbidden"));
}
