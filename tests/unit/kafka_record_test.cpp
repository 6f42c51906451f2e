// transports/kafka without a broker: payloads as values, routes as topics, offsets.

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "ferry_test_paths.hpp"
#include "transports/kafka/cluster.hpp"
#include "transports/kafka/error.hpp"
#include "transports/kafka/offset_ledger.hpp"
#include "transports/kafka/producer.hpp"
#include "transports/kafka/record.hpp"
#include "transports/kafka/topic.hpp"

using namespace ferry;
using namespace ferry::kafka;
using nlohmann::json;

namespace {

json vectors() {
  std::ifstream file(FERRY_TESTS_DIR "/vectors/kafka.json");
  REQUIRE(file);
  return json::parse(file);
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string read(std::string_view bytes, ValueForm form = ValueForm::plain) {
  std::string scratch;
  return std::string(read_value(bytes, form, scratch));
}

}  // namespace

TEST_CASE("kafka: values are read as a NestJS handler sees them") {
  int seen = 0;
  const json all = vectors();
  for (const json& vector : all.at("vectors")) {
    const bool echoes = vector.at("name").get<std::string>().starts_with("echo_");   // others count, and answer something else
    if (!echoes || !vector.contains("handlerSaw") || vector.at("records").empty()) continue;
    const json& record = vector.at("records").front();
    const json& saw = vector.at("handlerSaw").front();
    if (record.at("valueHex").is_null() || saw.size() < 2) continue;
    CAPTURE(vector.at("name").get<std::string>());
    CHECK(json::parse(read(from_hex(record.at("valueHex").get<std::string>()))) == saw.at(1));
    ++seen;
  }
  CHECK(seen > 15);
}

TEST_CASE("kafka: payloads are written as NestJS writes them, and a ferry peer gets them back exactly") {
  struct Case {
    const char* payload;
    const char* value;   // null: Kafka's
    ValueForm form;
  };
  for (const Case& each : {Case{R"("hi")", "hi", ValueForm::plain}, Case{"5", "5", ValueForm::json}, Case{"false", "false", ValueForm::json},
                           Case{R"({"a":1})", R"({"a":1})", ValueForm::plain}, Case{"[1,2]", "[1,2]", ValueForm::plain},
                           Case{R"("{\"x\":1}")", R"({"x":1})", ValueForm::text}, Case{R"("[")", "[", ValueForm::text},
                           Case{R"("")", "", ValueForm::plain}, Case{"null", nullptr, ValueForm::json},
                           Case{R"("é€😀\n")", "é€😀\n", ValueForm::plain}, Case{R"("123")", "123", ValueForm::plain},
                           Case{R"(["\ud800"])", R"(["\ud800"])", ValueForm::plain}}) {
    CAPTURE(each.payload);
    std::string scratch;
    const Value value = write_value(each.payload, scratch);
    CHECK(value.absent == (each.value == nullptr));
    if (each.value != nullptr) CHECK(value.bytes == each.value);
    CHECK(value.form == each.form);
    const bool exact = value.form == ValueForm::json || value.bytes.starts_with('[');
    if (!value.absent && exact) CHECK(read(value.bytes, value.form) == each.payload);
    if (!value.absent && !exact) CHECK(json::parse(read(value.bytes, value.form)) == json::parse(each.payload));
  }
  // A surrogate on its own has no UTF-8.
  std::string scratch;
  const Value value = write_value(R"("\ud800")", scratch);
  CHECK(value.bytes == R"("\ud800")");
  CHECK(value.form == ValueForm::json);
}

TEST_CASE("kafka: what is no text, and what only looks like JSON") {
  CHECK(read(std::string_view("\0\1\2", 3)) == R"({"type":"Buffer","data":[0,1,2]})");
  CHECK(read("{not json") == R"("{not json")");
  CHECK(read("5") == R"("5")");
  CHECK(read("\xff\x01") == "\"\xef\xbf\xbd\\u0001\"");
  CHECK(read("{not json", ValueForm::json) == R"("{not json")");   // a peer that lies harms nobody
  CHECK(read(R"({"a":1})", ValueForm::text) == R"("{\"a\":1}")");
}

TEST_CASE("kafka: routes that are topics, and those that are not") {
  for (const char* plain : {"user_created", "k.echo", "A-b.9", "7"}) CHECK(*topic_of(plain) == plain);
  CHECK(*topic_of(R"({"cmd":"sum"})") == "ferry.route.-7b-22cmd-22-3a-22sum-22-7d");
  CHECK(*topic_of("é") == "ferry.route.-c3-a9");
  CHECK(*topic_of("..") == "ferry.route...");
  CHECK(*topic_of("ferry.route.x") == "ferry.route.ferry.route.x");   // no two routes share a topic
  CHECK(is_topic(*topic_of(R"({"cmd":"ünï😀"})")));
  CHECK(topic_of("").failure().code == errc::bad_pattern);
  CHECK(topic_of(std::string(240, 'x')).failure().code == errc::bad_pattern);
  CHECK(topic_of(std::string(220, 'x')));
  CHECK(reply_topic_of("math.sum") == "math.sum.reply");
}

TEST_CASE("kafka: offsets are committed up to the first that is not settled") {
  OffsetLedger ledger;
  for (const std::int64_t offset : {10, 11, 14, 15}) ledger.take(offset);   // 12 and 13 are gone
  CHECK_FALSE(ledger.committable());
  CHECK_FALSE(ledger.settle(14));
  CHECK_FALSE(ledger.committable());
  CHECK(ledger.settle(10));
  CHECK(ledger.committable() == 11);
  CHECK(ledger.window() == 3);
  CHECK(ledger.unsettled() == 2);
  CHECK(ledger.settle(11));
  CHECK(ledger.committable() == 15);
  CHECK_FALSE(ledger.settle(11));   // again
  CHECK_FALSE(ledger.settle(12));   // never taken
  CHECK(ledger.settle(15));
  CHECK(ledger.committable() == 16);
  CHECK(ledger.window() == 0);
}

TEST_CASE("kafka: a partition without an offset was added later, or its group is just beginning") {
  constexpr std::int64_t none = RD_KAFKA_OFFSET_INVALID;
  struct Committed {
    std::int64_t offset;
    std::string mark;
  };
  const auto added = [](const std::vector<Committed>& all, std::int32_t partition) {
    const PartitionList list(rd_kafka_topic_partition_list_new(1));
    for (std::size_t i = 0; i < all.size(); ++i) {
      rd_kafka_topic_partition_t* const one = rd_kafka_topic_partition_list_add(list.get(), "t", static_cast<std::int32_t>(i));
      one->offset = all[i].offset;
      if (all[i].mark.empty()) continue;
      one->metadata = std::malloc(all[i].mark.size());
      std::memcpy(one->metadata, all[i].mark.data(), all[i].mark.size());
      one->metadata_size = all[i].mark.size();
    }
    return was_added(*list, partition);
  };
  CHECK_FALSE(added({{none, ""}, {none, ""}}, 1));                   // a group that is new
  CHECK(added({{7, ""}, {none, ""}}, 1));                            // one that has been there
  CHECK_FALSE(added({{7, begin_mark(2)}, {none, ""}}, 1));           // another member has just begun with its partition
  CHECK_FALSE(added({{9, ""}, {7, begin_mark(3)}, {none, ""}}, 2));  // and has handled something
  CHECK(added({{7, begin_mark(1)}, {none, ""}}, 1));                 // it had begun before there was this one
  CHECK(added({{7, "somebody's own"}, {none, ""}}, 1));
}

TEST_CASE("kafka: what passes, what somebody has to mend, and what is hopeless") {
  CHECK(trouble_of({}) == Trouble::none);
  for (const auto code : {RD_KAFKA_RESP_ERR__QUEUE_FULL, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT}) {
    CHECK(trouble_of(make_code(code)) == Trouble::passing);
  }
  for (const auto code : {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC}) {
    CHECK(trouble_of(make_code(code)) == Trouble::lasting);
  }
  for (const auto code : {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD}) {
    CHECK(trouble_of(make_code(code)) == Trouble::hopeless);
  }
  CHECK(trouble_of(make_error_code(errc::overloaded)) == Trouble::lasting);   // ours, not the driver's
}

TEST_CASE("kafka: a message's own options") {
  Failure failure;
  RecordOptions options;
  REQUIRE(RecordOptions::read({{"key", "k"}, {"partition", 2}, {"timestamp", 1234}}, options, failure));
  CHECK(options.key == "k");
  CHECK(options.partition == 2);
  CHECK(options.timestamp == 1234);
  RecordOptions object;
  REQUIRE(RecordOptions::read({{"key", {{"id", 9}}}}, object, failure));
  CHECK(object.key == R"({"id":9})");
  for (const json& bad : {json{{"keys", "k"}}, json{{"partition", -1}}, json{{"partition", "1"}}, json{{"timestamp", 0}}}) {
    RecordOptions ignored;
    CHECK_FALSE(RecordOptions::read(bad, ignored, failure));
    CHECK(failure.code == errc::bad_payload);
    CHECK(failure.fate == Fate::not_sent);
  }
}
