// transports/kafka without a broker: options and URLs.

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "catch.hpp"
#include "ferry_test_paths.hpp"
#include "kafka_options_support.hpp"

using namespace ferry;
using namespace ferry::test::kafka_options;
using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE("kafka options: NestJS's names and defaults") {
  const auto settings = service(json::object());
  CHECK(settings.group == "nestjs-group-server");
  CHECK(property(settings.consumer, "client.id") == "nestjs-consumer-server");
  CHECK(property(settings.consumer, "bootstrap.servers") == "localhost:9092");
  CHECK(property(settings.consumer, "session.timeout.ms") == "30000");
  CHECK(property(settings.consumer, "partition.assignment.strategy") == "cooperative-sticky");
  CHECK(property(settings.link.producer, "enable.idempotence") == "true");
  CHECK(property(settings.link.producer, "acks") == "-1");
  CHECK_FALSE(settings.from_beginning);
  const auto caller = client(json::object());
  CHECK(property(caller.reader, "group.id") == "nestjs-group-client");
  CHECK(property(caller.link.producer, "client.id") == "nestjs-consumer-client");
}

TEST_CASE("kafka options: what is given reaches the driver") {
  const auto settings = service({{"client", {{"clientId", "me"}, {"brokers", {"a:1", "b:2"}}, {"ssl", true},
                                            {"sasl", {{"mechanism", "scram-sha-256"}, {"username", "u"}, {"password", "p"}}}}},
                                 {"consumer", {{"groupId", "g"}, {"sessionTimeout", "10s"}}},
                                 {"postfixId", ""},
                                 {"send", {{"compression", "lz4"}, {"acks", 1}}},
                                 {"subscribe", {{"fromBeginning", true}}},
                                 {"rdkafka", {{"socket.keepalive.enable", true}, {"linger.ms", 7}}}});
  CHECK(settings.group == "g");
  CHECK(settings.link.brokers == "a:1,b:2");
  CHECK(property(settings.consumer, "security.protocol") == "sasl_ssl");
  CHECK(property(settings.consumer, "sasl.mechanism") == "SCRAM-SHA-256");
  CHECK(property(settings.consumer, "session.timeout.ms") == "10000");
  CHECK(property(settings.link.producer, "compression.type") == "lz4");
  CHECK(property(settings.link.producer, "enable.idempotence") == "false");   // one copy's confirmation was asked for
  CHECK(property(settings.link.producer, "linger.ms") == "7");
  CHECK(property(settings.link.producer, "socket.keepalive.enable") == "true");
  CHECK(settings.from_beginning);
}

TEST_CASE("kafka options: what makes no sense is refused, with its place") {
  const auto refused = [](const json& options) { return refusal([&] { return service(options); }); };
  CHECK_THAT(refused({{"rdkafka", {{"lingr.ms", 1}}}}), Catch::Contains("/services/math/options/rdkafka/lingr.ms") && Catch::Contains("No such configuration property"));
  CHECK_THAT(refused({{"rdkafka", {{"linger.ms", "soon"}}}}), Catch::Contains("/rdkafka/linger.ms"));
  CHECK_THAT(refused({{"rdkafka", {{"group.id", "g"}}}}), Catch::Contains("ferry's own"));
  CHECK_THAT(refused({{"client", {{"brokers", json::array()}}}}), Catch::Contains("no broker"));
  CHECK_THAT(refused({{"client", {{"brokers", "kafka://a"}}}}), Catch::Contains("host:port"));
  CHECK_THAT(refused({{"client", {{"ssl", {{"cert", "-----BEGIN"}}}}}}), Catch::Contains("belong together"));
  CHECK_THAT(refused({{"send", {{"acks", 1}}}, {"producer", {{"idempotent", true}}}}), Catch::Contains("/send/acks"));
  CHECK_THAT(refused({{"maxDeliver", 3}}), Catch::Contains("at-least-once"));
  CHECK_THAT(refused({{"run", {{"autoCommit", false}, {"autoCommitThreshold", 5}}}}), Catch::Contains("autoCommit is false"));
  CHECK_THAT(refused({{"order", "none"}, {"run", {{"partitionsConsumedConcurrently", 2}}}}), Catch::Contains("does not go by partitions"));
  CHECK_THAT(refused({{"consumer", {{"sessionTimeout", "2m"}}}}), Catch::Contains("rebalanceTimeout"));
  CHECK_THAT(refusal([] { return service({{"deadLetter", "/dead"}}, true); }), Catch::Contains("cannot end a topic's name"));
  CHECK_THAT(refusal([] { return service({{"run", {{"autoCommit", false}}}}, true); }), Catch::Contains("commits what was handled"));
  CHECK_THAT(refusal([] { return client({{"producerOnlyMode", true}, {"subscribeToResponseOf", {"a"}}}); }), Catch::Contains("reads nothing"));
}

TEST_CASE("kafka options: transactions, by NestJS's name for them or by librdkafka's") {
  const json ours{{"producer", {{"transactionalId", "math-1"}}}};
  const json native{{"rdkafka", {{"transactional.id", "math-1"}}}};
  for (const json& options : {ours, native}) {
    const kafka::ServerSettings settings = service(options, true);
    CHECK(settings.transactional);
    CHECK(property(settings.link.producer, "transactional.id") == "math-1");
    CHECK(property(settings.consumer, "enable.auto.commit") == "false");
    CHECK(property(settings.consumer, "isolation.level") == "read_committed");
    CHECK_THAT(refusal([&] { return service(options); }), Catch::Contains("at-least-once"));
  }
  CHECK_FALSE(service(json::object(), true).transactional);
  const auto refused = [&](json options) {
    options.merge_patch(ours);
    return refusal([&] { return service(options, true); });
  };
  CHECK_THAT(refused(native), Catch::Contains("says the same"));
  CHECK_THAT(refused({{"send", {{"acks", 1}}}}), Catch::Contains("idempotent"));
  CHECK_THAT(refused({{"consumer", {{"readUncommitted", true}}}}), Catch::Contains("readUncommitted"));
  CHECK_THAT(refused({{"producer", {{"deliveryTimeout", "2m"}}}}), Catch::Contains("transactionTimeout"));
  CHECK_THAT(refusal([] { return service({{"producer", {{"transactionTimeout", "2m"}}}}, true); }), Catch::Contains("no transactions"));
  CHECK_THAT(refusal([&] { return client(native); }), Catch::Contains("a client has no transactions"));
}

TEST_CASE("kafka options: dead letters have room beyond the largest message, and streams of answers stop below what is refused") {
  const json options{{"producer", {{"maxMessageBytes", 5000}, {"maxBufferedMessages", 10}}}};
  const auto plain = service(options);
  CHECK(property(plain.link.producer, "message.max.bytes") == "5000");
  CHECK(plain.high_water == 5 * kafka::answer_frame);
  const auto kept = service(options, true);
  CHECK(property(kept.link.producer, "message.max.bytes") == std::to_string(5000 + 16 * 1024));
  CHECK(kept.max_message == 5000);
  CHECK(service({{"rdkafka", {{"message.max.bytes", 7000}}}}).max_message == 7000);
  CHECK(service({{"producer", {{"maxBufferedBytes", "64KiB"}}}}).high_water == 32 * 1024);
  CHECK(service(json::object()).high_water == 1024 * 1024);
}

TEST_CASE("kafka options: NestJS's retry says how to connect again") {
  const auto policy = [](const json& client) {
    const auto options = spi::Options::parse({{"client", client}}, kafka::client_option_table(), {});
    return kafka::reconnect_policy_of(options, {-1, 100ms, 5000ms});
  };
  CHECK(policy(json::object()).attempts == -1);
  CHECK(policy(json::object()).backoff == 100ms);
  const auto given = policy({{"retry", {{"retries", 8}, {"initialRetryTime", 300}, {"maxRetryTime", 30000}}}});
  CHECK(given.attempts == 8);
  CHECK(given.backoff == 300ms);
  CHECK(given.max_backoff == 30s);
}

TEST_CASE("kafka URLs") {
  CHECK(kafka::options_from_url("kafka://a") == json{{"client", {{"brokers", {"a:9092"}}}}});
  CHECK(kafka::options_from_url("kafka://a:1,b:2/?consumer.groupId=g&postfixId=x") ==
        json{{"client", {{"brokers", {"a:1", "b:2"}}}}, {"consumer", {{"groupId", "g"}}}, {"postfixId", "x"}});
  CHECK(kafka::options_from_url("kafkas://u:p@[::1]:7").at("client") ==
        json{{"brokers", {"[::1]:7"}}, {"ssl", true}, {"sasl", {{"mechanism", "plain"}, {"username", "u"}, {"password", "p"}}}});
  for (const char* bad : {"kafka://", "kafka://a/b", "kafka://u@a", "nats://a", "kafka://a,,b", "kafka://a?client.brokers=b"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(kafka::options_from_url(bad), ConfigError);
  }
  const auto options = spi::Options::parse({{"client", {{"brokers", {"a:1", "b:2"}}}}}, kafka::client_option_table(), {});
  CHECK(kafka::url_of(options) == "kafka://a:1,b:2");
}

TEST_CASE("kafka: the README has the tables of options as they are") {
  std::ifstream file(FERRY_TESTS_DIR "/../transports/kafka/README.md");
  std::ostringstream text;
  text << file.rdbuf();
  CHECK(text.str().find(spi::to_markdown(kafka::client_option_table())) != std::string::npos);
  CHECK(text.str().find(spi::to_markdown(kafka::server_option_table())) != std::string::npos);
}
