// Where a group begins, and what its members do with their partitions.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <librdkafka/rdkafka.h>
// After the one that it needs.
#include <librdkafka/rdkafka_mock.h>

#include "../support/await.hpp"
#include "catch.hpp"
#include "kafka_cluster.hpp"
#include "kafka_support.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

TEST_CASE("kafka: what is in a partition that was added is the group's, from its beginning") {
  const Quiet quiet;
  const json one_partition{{"topics", {{"partitions", 1}}}};
  Counter heard;
  const auto start = [&] {
    auto app = std::make_unique<Application>(Config::from_json(service("added", json::object(), one_partition)));
    app->on_event("added", [&](int) { heard.add(); });
    app->start();
    return app;
  };
  auto app = start();
  CHECK(app->stop());
  const std::string brokers = "127.0.0.1:" + std::to_string(broker().port());
  Driver(brokers).add_partitions("added", 2);
  Application calls(caller());
  calls.client("C").emit("added", 1, SendOptions().record({{"partition", 1}})).get();
  app = start();
  CHECK(heard.reaches(1));
  CHECK(app->stop());
}

TEST_CASE("kafka: a service has not started before its group has taken where it begins") {
  const Quiet quiet;
  const Driver owner("127.0.0.1:1");
  const std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)> mock(
      rd_kafka_mock_cluster_new(owner.get(), 1), &rd_kafka_mock_cluster_destroy);
  for (const char* topic : {"begun", "begun.dead"}) REQUIRE(rd_kafka_mock_topic_create(mock.get(), topic, 1, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  const std::string brokers = rd_kafka_mock_cluster_bootstraps(mock.get());
  json config = service("begun", json::object(), {{"client", {{"brokers", {brokers}}}}});
  config["services"]["s"]["options"]["producer"] = {{"allowAutoTopicCreation", false}};
  config["services"]["s"]["options"]["consumer"]["allowAutoTopicCreation"] = false;
  Application app(Config::from_json(config));
  app.on_event("begun", [](int) {});
  constexpr int offset_commit = 8;   // Kafka's number of the request
  rd_kafka_mock_push_request_errors(mock.get(), offset_commit, 1, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
  app.start();
  CHECK(Driver(brokers, RD_KAFKA_CONSUMER, "begun-server").committed("begun", 0) == 0);
  CHECK(app.stop());
}

TEST_CASE("kafka: a handler that pauses its partition is given no more of it until it is resumed") {
  const Quiet quiet;
  constexpr int events = 300;
  Application calls(caller());
  const Client client = calls.client("C");
  for (int i = 0; i < events; ++i) client.emit("pausing", i, SendOptions().record({{"partition", 0}}));
  client.emit("pausing", events, SendOptions().record({{"partition", 0}})).get();
  Watched<int> heard{0};
  Application app(Config::from_json(service("pausing", json::object(), {{"subscribe", {{"fromBeginning", true}}}})));
  app.on_event("pausing", [&](int n, KafkaContext& context) {
    heard.change([](int& count) { ++count; });
    if (n == 0) context.pause();
  });
  app.on_message("pausing-state", [&](int) { return heard.get(); });
  app.start();
  REQUIRE(heard.wait([](int count) { return count >= 1; }));
  CHECK(client.send<int>("pausing-state", 0).get() == 1);
  CHECK(app.stop());
}
