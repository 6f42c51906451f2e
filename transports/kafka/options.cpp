#include "transports/kafka/options.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ferry/error.hpp"
#include "transports/kafka/conf.hpp"
#include "transports/kafka/option_table.hpp"
#include "transports/kafka/topic.hpp"

namespace ferry::kafka {
namespace {

using spi::ConfigPlace;
using spi::Options;

// Common to both tables. An Option table is one array, so the rows are a macro.
#define FERRY_KAFKA_COMMON_OPTIONS                                                                                     \
  {.name = "client", .kind = OptionKind::object, .doc = "the connection", .members = connection_table},                \
  {.name = "send", .kind = OptionKind::object, .doc = "sending, as NestJS's options of each send", .members = send_table}, \
  {.name = "topics", .kind = OptionKind::object, .doc = "topics that are created", .members = topic_table},            \
  {"rdkafka", OptionKind::any, "", "an object of librdkafka's own properties; they win"}

constexpr Option client_table[] = {
    FERRY_KAFKA_COMMON_OPTIONS,
    {.name = "producer", .kind = OptionKind::object, .doc = "sending", .members = producer_table},
    {"postfixId", OptionKind::string, "\"-client\"", "added to clientId and groupId"},
    {.name = "consumer", .kind = OptionKind::object, .doc = "reading replies", .members = reader_table},
    {"producerOnlyMode", OptionKind::boolean, "false", "events only: nothing is read"},
    {"subscribeToResponseOf", OptionKind::strings, "", "patterns whose replies are read from the start; others from their first request on"},
};
constexpr Option server_table[] = {
    FERRY_KAFKA_COMMON_OPTIONS,
    {.name = "producer", .kind = OptionKind::object, .doc = "sending", .members = service_producer_table},
    {"postfixId", OptionKind::string, "\"-server\"", "added to clientId and groupId"},
    {.name = "consumer", .kind = OptionKind::object, .doc = "reading", .members = consumer_table},
    {.name = "subscribe", .kind = OptionKind::object, .doc = "where to begin", .members = subscribe_table},
    {.name = "run", .kind = OptionKind::object, .doc = "handling", .members = run_table},
    {.name = "order", .kind = OptionKind::string, .fallback = "\"partition\"",
     .doc = "when an event is handled. partition: when the one before it in its partition has been; key: when the one before it with "
            "the same key has been, those without a key at once; none: at once. Requests always are",
     .choices = "partition|key|none"},
    {"observe", OptionKind::boolean, "false", "only listen in: requests are taken for events, so that none is answered"},
    {"maxPendingPerPartition", OptionKind::integer, "10000", "records of one partition handed on and not settled", 1, 1000000},
    {"retryDelay", OptionKind::duration, "1000", "at-least-once: before a failed event is handled again"},
    {"maxDeliver", OptionKind::integer, "5", "at-least-once: attempts with an event before it is dead-lettered; 0: no limit", 0},
    {"deadLetter", OptionKind::string, "\".dead\"", "at-least-once: added to a topic's name, where its failed events are kept"},
};

constexpr const char* max_message_property = "message.max.bytes";
constexpr std::size_t most_message = 1000000000;      // the driver's
constexpr std::size_t default_high_water = 1024 * 1024;
constexpr std::size_t dead_letter_room = 16 * 1024;   // for what a dead letter has beyond its record

std::string text(std::chrono::milliseconds value) { return std::to_string(value.count()); }
std::string text(bool value) { return value ? "true" : "false"; }

std::string pem(const Options& options, std::string_view name, const std::string& value, const std::string& directory) {
  if (value.find("-----BEGIN") != std::string::npos) return value;
  const auto path = std::filesystem::path(directory) / value;
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  if (!stream || !(content << stream.rdbuf())) {
    spi::config_error(options.place(name), "the file " + path.lexically_normal().string() + " cannot be read",
                      "give a PEM file");
  }
  return std::move(content).str();
}

/// True if TLS is asked for.
bool read_tls(const Options& client, const std::string& directory, Properties& out) {
  const nlohmann::json& given = client.any("ssl");
  if (given.is_null()) return false;
  if (given.is_boolean()) return given.get<bool>();
  const Options tls = Options::parse(given, tls_table, client.place("ssl"));
  std::string ca;
  for (const std::string& each : tls.strings("ca")) ca += pem(tls, "ca", each, directory) + "\n";
  if (!ca.empty()) out.emplace_back("ssl.ca.pem", ca);
  if (tls.has("cert") != tls.has("key")) {
    spi::config_error(tls.place(tls.has("cert") ? "key" : "cert"), "a certificate and its key belong together",
                      "give both cert and key");
  }
  if (tls.has("cert")) out.emplace_back("ssl.certificate.pem", pem(tls, "cert", tls.string("cert"), directory));
  if (tls.has("key")) out.emplace_back("ssl.key.pem", pem(tls, "key", tls.string("key"), directory));
  if (tls.has("passphrase")) out.emplace_back("ssl.key.password", tls.string("passphrase"));
  const bool verify = tls.boolean("rejectUnauthorized");
  out.emplace_back("enable.ssl.certificate.verification", text(verify));
  out.emplace_back("ssl.endpoint.identification.algorithm", verify && tls.boolean("checkServerIdentity") ? "https" : "none");
  return true;
}

std::string brokers_of(const Options& client) {
  std::string all;
  for (const std::string& each : client.strings("brokers")) {
    if (each.empty() || each.find("://") != std::string::npos || each.find(',') != std::string::npos) {
      spi::config_error(client.place("brokers"), "\"" + each + "\" is no broker", "write host:port");
    }
    all.append(all.empty() ? "" : ",").append(each);
  }
  if (all.empty()) spi::config_error(client.place("brokers"), "no broker is named", "name one");
  return all;
}

Properties connection(const Options& options, const std::string& directory) {
  const Options client = options.object("client");
  const std::string id = client.has("clientId") ? client.string("clientId") : "nestjs-consumer";
  Properties out{
      {"bootstrap.servers", brokers_of(client)},
      {"client.id", id + options.string("postfixId")},
      {"socket.connection.setup.timeout.ms", text(client.duration("connectionTimeout"))},
      {"socket.timeout.ms", text(std::clamp<std::chrono::milliseconds>(client.duration("requestTimeout"), std::chrono::milliseconds(1000), std::chrono::milliseconds(300000)))},
      {"socket.nagle.disable", "true"},
      // Core decides when to try again, and for how long. The driver's own attempts are to be quick.
      {"reconnect.backoff.ms", "20"},
      {"reconnect.backoff.max.ms", "500"},
      {"topic.metadata.refresh.fast.interval.ms", "50"},
      {"allow.auto.create.topics", "false"},
  };
  const bool tls = read_tls(client, directory, out);
  const bool sasl = client.given("sasl");
  out.emplace_back("security.protocol", sasl ? (tls ? "sasl_ssl" : "sasl_plaintext") : (tls ? "ssl" : "plaintext"));
  if (sasl) {
    const Options login = client.object("sasl");
    std::string mechanism = login.string("mechanism");
    std::transform(mechanism.begin(), mechanism.end(), mechanism.begin(), [](unsigned char c) { return std::toupper(c); });
    out.emplace_back("sasl.mechanism", mechanism);
    out.emplace_back("sasl.username", login.string("username"));
    out.emplace_back("sasl.password", login.string("password"));
  }
  return out;
}

void add_producer(const Options& options, Properties& out) {
  const Options producer = options.object("producer");
  const Options send = options.object("send");
  const bool idempotent = producer.boolean("idempotent");
  if (idempotent && send.integer("acks") != -1) {
    if (producer.given("idempotent")) {
      spi::config_error(send.place("acks"), "an idempotent producer needs the confirmation of all copies",
                        "leave acks out, or set producer.idempotent to false");
    }
  }
  const bool exact = idempotent && send.integer("acks") == -1;   // acks that were asked for win over ferry's default
  out.emplace_back("enable.idempotence", text(exact));
  out.emplace_back("acks", std::to_string(send.integer("acks")));
  out.emplace_back("request.timeout.ms", text(send.duration("timeout")));
  out.emplace_back("compression.type", send.string("compression"));
  out.emplace_back("linger.ms", text(producer.duration("linger")));
  out.emplace_back("queue.buffering.max.messages", std::to_string(producer.integer("maxBufferedMessages")));
  out.emplace_back("queue.buffering.max.kbytes", std::to_string(std::max<std::size_t>(1, producer.size("maxBufferedBytes") / 1024)));
  out.emplace_back(max_message_property, std::to_string(producer.size("maxMessageBytes")));
  out.emplace_back("message.timeout.ms", text(producer.duration("deliveryTimeout")));
}

void add_reader(const Options& options, Properties& out) {
  const Options consumer = options.object("consumer");
  const std::string group = consumer.string("groupId") + options.string("postfixId");
  if (group.empty()) spi::config_error(consumer.place("groupId"), "the group has no name", "give it one");
  const std::size_t max_bytes = std::max(consumer.size("maxBytes"), consumer.size("maxBytesPerPartition"));
  out.emplace_back("group.id", group);
  out.emplace_back("fetch.wait.max.ms", text(consumer.duration("maxWaitTimeInMs")));
  out.emplace_back("fetch.message.max.bytes", std::to_string(consumer.size("maxBytesPerPartition")));
  out.emplace_back("fetch.min.bytes", std::to_string(consumer.size("minBytes")));
  out.emplace_back("fetch.max.bytes", std::to_string(max_bytes));
  out.emplace_back("receive.message.max.bytes", std::to_string(std::min<std::size_t>(2147483647, std::max<std::size_t>(max_bytes + 512, 100000000))));
  out.emplace_back("metadata.max.age.ms", text(consumer.duration("metadataMaxAge")));
  out.emplace_back("topic.metadata.refresh.interval.ms", text(consumer.duration("metadataMaxAge")));
  out.emplace_back("queued.max.messages.kbytes", std::to_string(std::max<std::size_t>(1, consumer.size("maxBufferedBytes") / 1024)));
  out.emplace_back("fetch.error.backoff.ms", "50");
  out.emplace_back("enable.auto.offset.store", "false");
  out.emplace_back("auto.offset.reset", "earliest");   // where to begin is decided before; this is for records that are gone
  if (consumer.has("rackId")) out.emplace_back("client.rack", consumer.string("rackId"));
}

/// librdkafka's own properties, as the user wrote them.
void add_native(const Options& options, Properties& out) {
  const nlohmann::json& given = options.any("rdkafka");
  if (given.is_null()) return check(options.place(), out);
  const ConfigPlace place = options.place("rdkafka");
  if (!given.is_object()) spi::config_error(place, given.dump(), "write an object of librdkafka's properties");
  for (const auto& [name, value] : given.items()) {
    if (value.is_structured() || value.is_null()) {
      spi::config_error(place.member(name), value.dump(), "a property of librdkafka is a string, a number or a boolean");
    }
    if (name == "enable.auto.offset.store" || name == "log_cb" || name == "group.id" || name == "bootstrap.servers") {
      spi::config_error(place.member(name), "this property is ferry's own to set", "use the option that stands for it");
    }
    const std::string plain = value.is_string() ? value.get<std::string>() : value.dump();
    check(place.member(name), name, plain);
    out.emplace_back(name, plain);
  }
  check(options.place(), out);
}

/// True if a service was asked for them, by NestJS's option or by librdkafka's.
bool add_transactions(const Options& options, bool at_least_once, Properties& out) {
  const Options producer = options.object("producer");
  const std::string property = "transactional.id";
  const bool native = std::any_of(out.begin(), out.end(), [&](const auto& each) { return each.first == property; });
  if (!native && !producer.has("transactionalId")) {
    if (!producer.given("transactionTimeout")) return false;
    spi::config_error(producer.place("transactionTimeout"), "there are no transactions", "give transactionalId, or leave it out");
  }
  const ConfigPlace place = native ? options.place("rdkafka").member(property) : producer.place("transactionalId");
  if (native && producer.has("transactionalId")) spi::config_error(place, "transactionalId says the same", "leave one of them out");
  if (!native && producer.string("transactionalId").empty()) spi::config_error(place, "it is empty", "name it, or leave it out");
  const auto needs = [&](bool good, const char* what, const char* hint) {
    if (!good) spi::config_error(place, what, hint);
  };
  needs(at_least_once, "a transaction needs \"delivery\": \"at-least-once\"", "ask for that, or leave the id out");
  needs(producer.boolean("idempotent") && options.object("send").integer("acks") == -1, "a transaction needs an idempotent producer",
        "leave out producer.idempotent and send.acks");
  needs(!options.object("consumer").boolean("readUncommitted"), "a transaction is made of what others have committed",
        "leave out consumer.readUncommitted");
  needs(producer.duration("deliveryTimeout") <= producer.duration("transactionTimeout"),
        "producer.deliveryTimeout is more than producer.transactionTimeout", "write less, or raise that");
  if (!native) out.emplace_back(property, producer.string("transactionalId"));
  if (producer.given("transactionTimeout") || !native) {
    out.emplace_back("transaction.timeout.ms", text(producer.duration("transactionTimeout")));
  }
  check(place, out);
  return true;
}

LinkSettings read_link(const Options& options, const std::string& directory) {
  const Options client = options.object("client");
  LinkSettings link;
  link.brokers = brokers_of(client);
  link.attempt = client.duration("connectionTimeout") + client.duration("authenticationTimeout");
  link.request = client.duration("requestTimeout");
  link.create_topics = options.object("producer").boolean("allowAutoTopicCreation");
  const Options topics = options.object("topics");
  link.partitions = static_cast<int>(topics.integer("partitions"));
  link.replicas = static_cast<int>(topics.integer("replicas"));
  if (link.partitions == 0 || link.replicas == 0) {
    spi::config_error(topics.place(link.partitions == 0 ? "partitions" : "replicas"), "0", "write 1 or more, or -1");
  }
  link.producer = connection(options, directory);
  add_producer(options, link.producer);
  add_native(options, link.producer);
  return link;
}

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

spi::ReconnectPolicy reconnect_policy_of(const spi::Options& options, spi::ReconnectPolicy configured) {
  const Options retry = options.object("client").object("retry");
  if (retry.has("retries")) configured.attempts = retry.integer("retries");
  if (retry.has("initialRetryTime")) configured.backoff = retry.duration("initialRetryTime");
  if (retry.has("maxRetryTime")) configured.max_backoff = retry.duration("maxRetryTime");
  configured.max_backoff = std::max(configured.max_backoff, configured.backoff);
  return configured;
}

ClientSettings client_settings(const spi::ClientEnvironment& environment) {
  const Options& options = environment.options;
  ClientSettings settings;
  settings.link = read_link(options, environment.directory);
  settings.producer_only = options.boolean("producerOnlyMode");
  settings.routes = options.strings("subscribeToResponseOf");
  if (options.any("rdkafka").is_object() && options.any("rdkafka").contains("transactional.id")) {
    spi::config_error(options.place("rdkafka").member("transactional.id"), "a client has no transactions",
                      "give it to a service, whose handlers put things out by their KafkaContext");
  }
  if (settings.producer_only) {
    for (const char* name : {"consumer", "subscribeToResponseOf"}) {
      if (options.given(name)) spi::config_error(options.place(name), "producerOnlyMode reads nothing", "leave one of them out");
    }
    return settings;
  }
  settings.reader = connection(options, environment.directory);
  add_reader(options, settings.reader);
  settings.reader.emplace_back("enable.auto.commit", "false");
  add_native(options, settings.reader);
  return settings;
}

ServerSettings server_settings(const spi::ServerEnvironment& environment) {
  const Options& options = environment.options;
  const Options consumer = options.object("consumer");
  const Options run = options.object("run");
  ServerSettings settings;
  settings.link = read_link(options, environment.directory);
  settings.create_outputs = settings.link.create_topics;
  settings.link.create_topics = consumer.boolean("allowAutoTopicCreation");
  settings.group = consumer.string("groupId") + options.string("postfixId");
  settings.from_beginning = options.object("subscribe").boolean("fromBeginning");
  settings.observe = options.boolean("observe");
  settings.auto_commit = run.boolean("autoCommit");
  settings.commit_interval = run.duration("autoCommitInterval");
  for (const auto& [name, value] : settings.link.producer) {
    if (name == max_message_property) settings.max_message = std::stoull(value);   // the last one wins
  }
  // Far below what the driver would refuse.
  const Options producer = options.object("producer");
  settings.high_water = std::min({default_high_water, producer.size("maxBufferedBytes") / 2,
                                  static_cast<std::size_t>(producer.integer("maxBufferedMessages")) / 2 * answer_frame});
  if (environment.at_least_once) {
    const std::size_t room = std::min(settings.max_message + dead_letter_room, most_message);
    settings.link.producer.emplace_back(max_message_property, std::to_string(room));
  }
  if (!settings.auto_commit) {
    for (const char* name : {"autoCommitInterval", "autoCommitThreshold"}) {
      if (run.given(name)) spi::config_error(run.place(name), "autoCommit is false", "leave one of them out");
    }
    if (environment.at_least_once) {
      spi::config_error(run.place("autoCommit"), "\"delivery\": \"at-least-once\" commits what was handled", "leave one of them out");
    }
  }
  settings.commit_threshold = run.has("autoCommitThreshold") ? run.integer("autoCommitThreshold") : 0;
  settings.concurrent_partitions =
      run.has("partitionsConsumedConcurrently") ? static_cast<std::size_t>(run.integer("partitionsConsumedConcurrently")) : 0;
  const std::string order = options.string("order");
  settings.order = order == "none" ? Order::none : order == "key" ? Order::key : Order::partition;
  if (settings.order != Order::partition && settings.concurrent_partitions != 0) {
    spi::config_error(run.place("partitionsConsumedConcurrently"), "\"order\": \"" + order + "\" does not go by partitions",
                      "leave one of them out");
  }
  settings.transactional = add_transactions(options, environment.at_least_once, settings.link.producer);
  settings.max_pending = static_cast<std::size_t>(options.integer("maxPendingPerPartition"));
  settings.rebalance_wait = consumer.duration("rebalanceTimeout") / 2;
  settings.at_least_once = environment.at_least_once;
  settings.max_deliver = options.integer("maxDeliver");
  settings.retry_delay = options.duration("retryDelay");
  settings.dead_letter = options.string("deadLetter");
  for (const char* name : {"retryDelay", "maxDeliver", "deadLetter"}) {
    if (!settings.at_least_once && options.given(name)) {
      spi::config_error(options.place(name), "this needs \"delivery\": \"at-least-once\"", "ask for that, or leave it out");
    }
  }
  if (settings.dead_letter.empty() || settings.dead_letter.size() > 24 || !is_topic("x" + settings.dead_letter)) {
    spi::config_error(options.place("deadLetter"), "\"" + settings.dead_letter + "\" cannot end a topic's name",
                      "write up to 24 letters, digits, dots, dashes and underscores");
  }
  if (consumer.duration("sessionTimeout") > consumer.duration("rebalanceTimeout")) {
    spi::config_error(consumer.place("rebalanceTimeout"), "it is less than sessionTimeout", "write as much, or more");
  }
  settings.consumer = connection(options, environment.directory);
  add_reader(options, settings.consumer);
  Properties& out = settings.consumer;
  out.emplace_back("session.timeout.ms", text(consumer.duration("sessionTimeout")));
  out.emplace_back("heartbeat.interval.ms", text(consumer.duration("heartbeatInterval")));
  out.emplace_back("max.poll.interval.ms", text(consumer.duration("rebalanceTimeout")));
  out.emplace_back("partition.assignment.strategy", consumer.string("assignor"));
  out.emplace_back("isolation.level", consumer.boolean("readUncommitted") ? "read_uncommitted" : "read_committed");
  if (consumer.has("groupInstanceId")) out.emplace_back("group.instance.id", consumer.string("groupInstanceId"));
  const bool commits = settings.auto_commit && !settings.transactional;
  out.emplace_back("enable.auto.commit", text(commits));
  if (commits) out.emplace_back("auto.commit.interval.ms", text(run.duration("autoCommitInterval")));
  add_native(options, out);
  return settings;
}

}  // namespace ferry::kafka
