// Each option of the Kafka transport, and what becomes of it.

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "kafka_options_support.hpp"

using namespace ferry;
using namespace ferry::test::kafka_options;

namespace {

/// `options` with `value` at "producer.linger".
json options_with(const std::string& path, const json& value) {
  std::string pointer = "/" + path;
  for (char& c : pointer) c = c == '.' ? '/' : c;
  json options = json::object();
  options[json::json_pointer(pointer)] = value;
  return options;
}

void add_leaves(spi::OptionTable table, const std::string& prefix, std::set<std::string>& out) {
  for (const spi::Option& each : table) {
    const std::string path = prefix + std::string(each.name);
    if (each.members.empty()) out.insert(path);
    else add_leaves(each.members, path + ".", out);
  }
}

std::string text(const std::chrono::milliseconds& value) { return std::to_string(value.count()); }

/// An option, a value, and where that shows: a property of the driver's, or a setting of ours.
template <class Settings>
struct Row {
  std::string path;
  json value;
  std::string expected;
  std::function<std::string(const Settings&)> find;
};
template <class Settings>
using Rows = std::vector<Row<Settings>>;

template <class Settings>
auto of_producer(std::string name) {
  return [name = std::move(name)](const Settings& settings) { return property(settings.link.producer, name); };
}

template <class Settings>
Rows<Settings> common_rows() {
  const auto producer = [](const char* name) { return of_producer<Settings>(name); };
  return {
      {"client.clientId", "me", "me-x", producer("client.id")},
      {"client.brokers", {"a:1", "b:2"}, "a:1,b:2", producer("bootstrap.servers")},
      {"client.ssl", true, "ssl", producer("security.protocol")},
      {"client.connectionTimeout", "3s", "3000", producer("socket.connection.setup.timeout.ms")},
      {"client.authenticationTimeout", "3s", "4000", [](const Settings& s) { return text(s.link.attempt); }},   // after connecting
      {"client.requestTimeout", "7s", "7000", producer("socket.timeout.ms")},
      {"client.requestTimeout", "7s", "7000", [](const Settings& s) { return text(s.link.request); }},
      {"send.acks", 1, "1", producer("acks")},
      {"send.timeout", "9s", "9000", producer("request.timeout.ms")},
      {"send.compression", "zstd", "zstd", producer("compression.type")},
      {"topics.partitions", 12, "12", [](const Settings& s) { return std::to_string(s.link.partitions); }},
      {"topics.replicas", 3, "3", [](const Settings& s) { return std::to_string(s.link.replicas); }},
      {"rdkafka", {{"debug", "broker"}}, "broker", producer("debug")},
      {"producer.idempotent", false, "false", producer("enable.idempotence")},
      {"producer.linger", "5ms", "5", producer("linger.ms")},
      {"producer.maxBufferedMessages", 77, "77", producer("queue.buffering.max.messages")},
      {"producer.maxBufferedBytes", "2MiB", "2048", producer("queue.buffering.max.kbytes")},
      {"producer.maxMessageBytes", 5000, "5000", producer("message.max.bytes")},
      {"producer.deliveryTimeout", "4s", "4000", producer("message.timeout.ms")},
  };
}

/// Of what reads: `find` gives the reader's properties.
template <class Settings, class F>
Rows<Settings> reader_rows(F find) {
  const auto reader = [find](const char* name) {
    return [find, name](const Settings& settings) { return property(find(settings), name); };
  };
  return {
      {"postfixId", "-y", "nestjs-group-y", reader("group.id")},
      {"consumer.groupId", "g", "g-x", reader("group.id")},
      {"consumer.maxWaitTimeInMs", 20, "20", reader("fetch.wait.max.ms")},
      {"consumer.maxBytesPerPartition", 3000, "3000", reader("fetch.message.max.bytes")},
      {"consumer.minBytes", 9, "9", reader("fetch.min.bytes")},
      {"consumer.maxBytes", 2000000, "2000000", reader("fetch.max.bytes")},
      {"consumer.metadataMaxAge", "2m", "120000", reader("metadata.max.age.ms")},
      {"consumer.maxBufferedBytes", "1MiB", "1024", reader("queued.max.messages.kbytes")},
      {"consumer.rackId", "r", "r", reader("client.rack")},
      {"rdkafka", {{"fetch.error.backoff.ms", 9}}, "9", reader("fetch.error.backoff.ms")},
  };
}

/// Each row holds, and no option is without one.
template <class Settings>
void check(const Rows<Settings>& rows, spi::OptionTable table, std::set<std::string> elsewhere, Settings (*make)(const json&)) {
  std::set<std::string> left;
  add_leaves(table, "", left);
  for (const Row<Settings>& row : rows) {
    CAPTURE(row.path, row.value);
    json options = options_with(row.path, row.value);
    if (!options.contains("postfixId")) options["postfixId"] = "-x";
    CHECK(row.find(make(options)) == row.expected);
    left.erase(row.path);
  }
  for (const std::string& path : elsewhere) CHECK(left.erase(path) == 1);
  CHECK(left == std::set<std::string>());
}

std::string text(bool value) { return value ? "true" : "false"; }

}  // namespace

TEST_CASE("kafka options: each one of a client reaches the driver, or its settings") {
  using Settings = kafka::ClientSettings;
  Rows<Settings> rows = common_rows<Settings>();
  const Rows<Settings> reader = reader_rows<Settings>([](const Settings& s) -> auto& { return s.reader; });
  rows.insert(rows.end(), reader.begin(), reader.end());
  rows.push_back({"producer.allowAutoTopicCreation", false, "false", [](const Settings& s) { return text(s.link.create_topics); }});
  rows.push_back({"producerOnlyMode", true, "true", [](const Settings& s) { return text(s.producer_only); }});
  rows.push_back({"subscribeToResponseOf", {"a"}, "a", [](const Settings& s) { return s.routes.at(0); }});
  // Where several options belong together: kafka_options_test.cpp.
  check<Settings>(rows, kafka::client_option_table(),
                  {"client.sasl.mechanism", "client.sasl.username", "client.sasl.password", "client.retry.retries",
                   "client.retry.initialRetryTime", "client.retry.maxRetryTime"},
                  [](const json& options) { return client(options); });
}

TEST_CASE("kafka options: each one of a service reaches the driver, or its settings") {
  using Settings = kafka::ServerSettings;
  Rows<Settings> rows = common_rows<Settings>();
  const Rows<Settings> reader = reader_rows<Settings>([](const Settings& s) -> auto& { return s.consumer; });
  rows.insert(rows.end(), reader.begin(), reader.end());
  const auto consumer = [](const char* name) {
    return [name](const Settings& settings) { return property(settings.consumer, name); };
  };
  const Rows<Settings> own{
      {"producer.maxMessageBytes", 5000, "5000", [](const Settings& s) { return std::to_string(s.max_message); }},
      {"producer.allowAutoTopicCreation", false, "false", [](const Settings& s) { return text(s.create_outputs); }},
      {"consumer.allowAutoTopicCreation", false, "false", [](const Settings& s) { return text(s.link.create_topics); }},
      {"consumer.sessionTimeout", "9s", "9000", consumer("session.timeout.ms")},
      {"consumer.heartbeatInterval", "1s", "1000", consumer("heartbeat.interval.ms")},
      {"consumer.rebalanceTimeout", "90s", "90000", consumer("max.poll.interval.ms")},
      {"consumer.rebalanceTimeout", "90s", "45000", [](const Settings& s) { return text(s.rebalance_wait); }},
      {"consumer.groupInstanceId", "i", "i", consumer("group.instance.id")},
      {"consumer.assignor", "range", "range", consumer("partition.assignment.strategy")},
      {"consumer.readUncommitted", true, "read_uncommitted", consumer("isolation.level")},
      {"subscribe.fromBeginning", true, "true", [](const Settings& s) { return text(s.from_beginning); }},
      {"run.autoCommit", false, "false", consumer("enable.auto.commit")},
      {"run.autoCommitInterval", "3s", "3000", consumer("auto.commit.interval.ms")},
      {"run.autoCommitThreshold", 8, "8", [](const Settings& s) { return std::to_string(s.commit_threshold); }},
      {"run.partitionsConsumedConcurrently", 2, "2", [](const Settings& s) { return std::to_string(s.concurrent_partitions); }},
      {"order", "key", "1", [](const Settings& s) { return std::to_string(static_cast<int>(s.order)); }},
      {"maxPendingPerPartition", 6, "6", [](const Settings& s) { return std::to_string(s.max_pending); }},
      {"retryDelay", "6s", "6000", [](const Settings& s) { return text(s.retry_delay); }},
      {"maxDeliver", 6, "6", [](const Settings& s) { return std::to_string(s.max_deliver); }},
      {"deadLetter", ".bad", ".bad", [](const Settings& s) { return s.dead_letter; }},
      {"observe", true, "true", [](const Settings& s) { return text(s.observe); }},
  };
  rows.insert(rows.end(), own.begin(), own.end());
  check<Settings>(rows, kafka::server_option_table(),
                  {"client.sasl.mechanism", "client.sasl.username", "client.sasl.password", "client.retry.retries",
                   "client.retry.initialRetryTime", "client.retry.maxRetryTime", "producer.transactionalId",
                   "producer.transactionTimeout"},
                  [](const json& options) {
                    const bool acknowledges = options.contains("retryDelay") || options.contains("maxDeliver") || options.contains("deadLetter");
                    return service(options, acknowledges);
                  });
}

TEST_CASE("kafka options: each member of ssl reaches the driver") {
  const auto of = [](const json& tls, const char* name) {
    return property(client({{"client", {{"ssl", tls}}}}).reader, name);
  };
  const std::string pem = "-----BEGIN CERTIFICATE-----";
  CHECK(of({{"ca", pem}}, "ssl.ca.pem") == pem + "\n");
  const json both{{"cert", pem}, {"key", pem}, {"passphrase", "p"}};
  CHECK(of(both, "ssl.certificate.pem") == pem);
  CHECK(of(both, "ssl.key.pem") == pem);
  CHECK(of(both, "ssl.key.password") == "p");
  CHECK(of(json::object(), "enable.ssl.certificate.verification") == "true");
  CHECK(of({{"rejectUnauthorized", false}}, "enable.ssl.certificate.verification") == "false");
  CHECK(of(json::object(), "ssl.endpoint.identification.algorithm") == "https");
  CHECK(of({{"checkServerIdentity", false}}, "ssl.endpoint.identification.algorithm") == "none");
}
