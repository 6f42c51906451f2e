// transports/rmq without a broker: frames, properties, records, options, URLs, which handler a topic belongs to.

#include "catch.hpp"

#include <fstream>
#include <sstream>

#include "ferry/error.hpp"
#include "ferry_test_paths.hpp"
#include "transports/rmq/confirms.hpp"
#include "transports/rmq/content.hpp"
#include "transports/rmq/error.hpp"
#include "transports/rmq/options.hpp"
#include "transports/rmq/record.hpp"
#include "transports/rmq/topic.hpp"

namespace {

using namespace ferry;
using nlohmann::json;

spi::ServerEnvironment service(const json& options, bool at_least_once = false) {
  spi::ServerEnvironment environment;
  environment.name = "math";
  environment.at_least_once = at_least_once;
  environment.options = spi::Options::parse(options, rmq::server_option_table(), {"f.json", "/options"});
  return environment;
}

spi::ClientEnvironment client(const json& options) {
  spi::ClientEnvironment environment;
  environment.name = "MATH";
  environment.options = spi::Options::parse(options, rmq::client_option_table(), {"f.json", "/options"});
  return environment;
}

template <class F>
std::string refused(F read) {
  try {
    read();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

std::string refused_service(const json& options, bool at_least_once = false) {
  return refused([&] { rmq::server_settings(service(options, at_least_once)); });
}

std::string refused_client(const json& options) {
  return refused([&] { rmq::client_settings(client(options)); });
}

/// What a peer reads of a message that was written in frames of at most `frame_max`.
rmq::Content round_trip(rmq::Properties properties, const std::string& body, std::size_t frame_max, std::size_t most = 1 << 20) {
  std::string out;
  REQUIRE(rmq::append_content_head(out, 1, {"", "queue", false, &properties}, body.size(), frame_max));
  const std::size_t part = frame_max - rmq::frame_overhead;
  for (std::size_t at = 0; at < body.size(); at += part) {
    rmq::append_body_head(out, 1, std::min(part, body.size() - at));
    out.append(body, at, part) += rmq::frame_end;
  }
  const net::ChunkPtr memory = net::ChunkPtr::copy_of(out);
  std::string_view rest(memory.data(), out.size());
  rmq::Frame frame;
  std::size_t needed = 0;
  REQUIRE(rmq::read_frame(rest, frame_max, frame, needed) == rmq::FrameStep::frame);   // basic.publish
  rmq::ContentReader reader;
  amqp_basic_deliver_t deliver{};
  deliver.delivery_tag = 7;
  reader.begin({1, AMQP_BASIC_DELIVER_METHOD, &deliver}, memory);
  for (;;) {
    REQUIRE(rmq::read_frame(rest, frame_max, frame, needed) == rmq::FrameStep::frame);
    const auto step = reader.take(frame, memory, most);
    REQUIRE(step != rmq::ContentReader::Step::broken);
    if (step == rmq::ContentReader::Step::complete) break;
  }
  CHECK(rest.empty());
  return reader.content();
}

}  // namespace

TEST_CASE("rmq: frames come whole, in pieces, or not at all", "[rmq]") {
  std::string bytes;
  amqp_queue_declare_t declare{};
  declare.queue = rmq::bytes_of("cats");
  declare.durable = 1;
  REQUIRE(rmq::append_method(bytes, 3, AMQP_QUEUE_DECLARE_METHOD, &declare));
  rmq::append_heartbeat(bytes);
  rmq::Frame frame;
  std::size_t needed = 0;
  for (std::size_t size = 0; size + 8 < bytes.size(); ++size) {
    std::string_view part = std::string_view(bytes).substr(0, size);
    CHECK(rmq::read_frame(part, 4096, frame, needed) == rmq::FrameStep::more);
    CHECK(needed > size);
  }
  std::string_view all = bytes;
  REQUIRE(rmq::read_frame(all, 4096, frame, needed) == rmq::FrameStep::frame);
  amqp_pool_t pool;
  init_amqp_pool(&pool, 1024);
  rmq::Method method;
  REQUIRE(rmq::read_method(frame, pool, method));
  CHECK(method.channel == 3);
  CHECK(rmq::text_of(method.as<amqp_queue_declare_t>().queue) == "cats");
  CHECK(method.as<amqp_queue_declare_t>().durable != 0);
  empty_amqp_pool(&pool);
  REQUIRE(rmq::read_frame(all, 4096, frame, needed) == rmq::FrameStep::frame);
  CHECK(frame.type == AMQP_FRAME_HEARTBEAT);
  for (const std::string& broken : {std::string("AMQP\0\0\x09\x01", 8), std::string("\x01\0\0\xff\0\0\0", 7), std::string("\x08\0\0\0\0\0\0X", 8)}) {
    std::string_view view = broken;
    CHECK(rmq::read_frame(view, 4096, frame, needed) == rmq::FrameStep::broken);
  }
}

TEST_CASE("rmq: a message arrives as it was written, in one frame or many", "[rmq]") {
  std::string table;
  rmq::append_header(table, "tenant", "acm\xC3\xA9");
  rmq::append_header(table, "ferry-timeout", "30000");
  rmq::Properties properties;
  properties.headers = table;
  properties.delivery_mode = std::uint8_t{2};
  properties.priority = std::uint8_t{3};
  properties.correlation_id = "id";
  properties.reply_to = rmq::direct_reply_to;
  properties.timestamp = std::uint64_t{1} << 40;
  properties.message_id = "m";
  for (const std::size_t size : {0, 1, 5000, 100000}) {
    const std::string body(size, 'b');
    const rmq::Content content = round_trip(properties, body, 4096);
    CHECK((content.body == body));
    CHECK(content.delivery_tag == 7);
    CHECK(content.properties.correlation_id == "id");
    CHECK(content.properties.reply_to == rmq::direct_reply_to);
    CHECK(content.properties.priority == 3);
    CHECK(content.properties.timestamp == std::uint64_t{1} << 40);
    CHECK_FALSE(content.properties.expiration);
    CHECK(rmq::headers_of(*content.properties.headers).get("tenant") == "acm\xC3\xA9");
    CHECK(rmq::find_header(*content.properties.headers, "ferry-timeout") == "30000");
    CHECK_FALSE(rmq::find_header(*content.properties.headers, "other"));
    CHECK(rmq::headers_of(rmq::without_header(*content.properties.headers, "tenant")).size() == 1);
  }
}

TEST_CASE("rmq: headers that are no text, and tables that are damaged or too deep", "[rmq]") {
  using namespace std::string_literals;
  const std::string table = "\x01""bt\x01"s + "\x01""iI\xff\xff\xff\xfe"s + "\x01""lA\0\0\0\x06S\0\0\0\x01x"s + "\x01""vV"s + "\x01""sS\0\0\0\x01y"s;
  const Headers headers = rmq::headers_of(table);
  CHECK(headers.get("b") == "true");
  CHECK(headers.get("i") == "-2");
  CHECK(headers.get("l") == "[\"x\"]");
  CHECK(headers.get("v") == "null");
  CHECK(headers.get("s") == "y");
  CHECK(rmq::headers_of(table.substr(0, table.size() - 1)).size() == 4);
  CHECK(rmq::headers_of("\x01""aS\xff\xff\xff\xff").empty());
  std::string deep = "\x01""xV"s;
  for (int i = 0; i < 10000; ++i) {
    const auto size = static_cast<std::uint32_t>(deep.size());
    deep = "\x01""tF"s + static_cast<char>(size >> 24) + static_cast<char>(size >> 16) + static_cast<char>(size >> 8) + static_cast<char>(size) + deep;
  }
  CHECK(rmq::headers_of(deep).size() == 1);   // and no stack is used up
  rmq::Properties properties;
  for (const std::string& bad : {""s, "\x80"s, "\x80\0"s, "\x80\0\x05" "abc"s, "\0\x01\0"s, "\x20\0\0\0\0\x09"s}) {
    CHECK_FALSE(rmq::read_properties(bad, properties));
  }
}

TEST_CASE("rmq: confirms settle one message, or all up to it", "[rmq]") {
  rmq::Confirms<int> confirms;
  std::vector<int> done;
  const auto take = [&](int& each) { done.push_back(each); };
  for (int i = 1; i <= 5; ++i) {
    CHECK(confirms.next() == static_cast<std::uint64_t>(i));
    confirms.add(i);
  }
  confirms.settle(3, false, take);
  CHECK(done == std::vector{3});
  confirms.settle(4, true, take);
  CHECK(done == std::vector{3, 1, 2, 4});
  confirms.settle(4, true, take);
  confirms.settle(9, true, take);
  confirms.settle(0, true, take);
  CHECK(done.size() == 4);
  CHECK(confirms.size() == 1);
  CHECK(confirms.find(5) != nullptr);
  CHECK(confirms.find(3) == nullptr);
  confirms.reset();
  CHECK(confirms.next() == 1);
}

TEST_CASE("rmq: which pattern a topic belongs to, by NestJS's rules", "[rmq]") {
  CHECK(rmq::topic_matches("w.*", "w.a"));
  CHECK_FALSE(rmq::topic_matches("w.*", "w.a.b"));
  CHECK_FALSE(rmq::topic_matches("w.*", "w"));
  CHECK(rmq::topic_matches("h.#", "h"));
  CHECK(rmq::topic_matches("h.#", "h.a.b"));
  CHECK_FALSE(rmq::topic_matches("a.#.z", "a.b.z"));
  CHECK(rmq::topic_matches("*.mid.#", "x.mid"));
  CHECK(rmq::topic_matches("#", ""));
  CHECK_FALSE(rmq::topic_matches("*", ""));
  rmq::Topics topics;
  for (const char* route : {"e.one", "e.*", "#"}) topics.add(route);
  spi::RequestView view;
  CHECK(*topics.find(view) == "#");
  view.pattern_form = spi::RequestView::PatternForm::json;
  view.pattern = "\"e.one\"";
  CHECK(topics.find(view) == nullptr);
  view.pattern = "\"e.two\"";
  CHECK(*topics.find(view) == "e.*");
  view.pattern = "{\"b\":1}";
  CHECK(*topics.find(view) == "#");
}

TEST_CASE("rmq: NestJS's defaults, and its ways to write the same", "[rmq]") {
  const auto settings = rmq::client_settings(client({{"queue", "cats"}}));
  REQUIRE(settings.access.targets.size() == 1);
  CHECK(settings.access.targets[0].name == "amqp://localhost:5672");
  CHECK(settings.access.targets[0].vhost == "/");
  CHECK(settings.access.targets[0].user == "guest");
  CHECK(settings.access.heartbeat == std::chrono::seconds(5));
  CHECK(settings.reply_queue == rmq::direct_reply_to);
  CHECK(settings.topology.durable);
  CHECK_FALSE(settings.persistent);
  CHECK(rmq::server_settings(service(json::object())).no_ack);
  const json object{{"hostname", "rabbit"}, {"port", 5673}, {"username", "u"}, {"password", "p@/"}, {"vhost", "v/w"}, {"heartbeat", 7}};
  const auto other = rmq::client_settings(client({{"urls", {object}}, {"queue", "cats"}, {"queueOptions", {{"durable", false},
      {"messageTtl", 5000}, {"deadLetterExchange", "x"}, {"arguments", {{"x-foo", 1}}}}}}));
  CHECK(other.access.targets[0].password == "p@/");
  CHECK(other.access.targets[0].vhost == "v/w");
  CHECK(other.access.heartbeat == std::chrono::seconds(7));
  CHECK(other.topology.queue_arguments == json{{"x-message-ttl", 5000}, {"x-dead-letter-exchange", "x"}, {"x-foo", 1}});
}

TEST_CASE("rmq: options that cannot be used are refused by name", "[rmq]") {
  CHECK_THAT(refused_client(json::object()), Catch::Contains("/options/queue"));
  CHECK_THAT(refused_client({{"queue", std::string(256, 'q')}}), Catch::Contains("255"));
  CHECK_THAT(refused_client({{"queue", "q"}, {"noAck", false}}), Catch::Contains("replyQueue"));
  CHECK_THAT(refused_client({{"queue", "q"}, {"urls", {"http://x"}}}), Catch::Contains("/options/urls"));
  CHECK_THAT(refused_client({{"queue", "q"}, {"urls", {"amqp://u:secret@h?what=1"}}}), Catch::Contains("what") && !Catch::Contains("secret"));
  CHECK_THAT(refused_client({{"queue", "q"}, {"urls", json::array()}}), Catch::Contains("no broker"));
  CHECK_THAT(refused_client({{"queue", "q"}, {"socketOptions", {{"connectionOptions", {{"ca", "x"}}}}}}), Catch::Contains("amqps://"));
  CHECK_THAT(refused_service({{"routingKey", "k"}}), Catch::Contains("/options/routingKey"));
  CHECK_THAT(refused_service({{"wildcards", true}}), Catch::Contains("/options/exchange"));
  CHECK_THAT(refused_service({{"queue", "q"}, {"wildcards", true}, {"exchangeType", "fanout"}}), Catch::Contains("topic"));
  CHECK_THAT(refused_service({{"queue", "q"}, {"maxDeliver", 3}}), Catch::Contains("at-least-once"));
  CHECK_THAT(refused_service({{"queue", "q"}, {"noAck", true}}, true), Catch::Contains("/options/noAck"));
  CHECK_THAT(refused_service(json::object(), true), Catch::Contains("no name"));
  CHECK_THAT(refused_service({{"queue", "q"}, {"queueOptions", {{"durable", false}}}}, true), Catch::Contains("durable"));
  CHECK_THAT(refused_service({{"queue", "q"}, {"deadLetterQueue", "d"}, {"queueOptions", {{"deadLetterExchange", "x"}}}}, true),
             Catch::Contains("/options/deadLetterQueue"));
  const auto settings = rmq::server_settings(service({{"queue", "q"}}, true));
  CHECK_FALSE(settings.no_ack);
  CHECK(settings.retry->retry_queue == "q.retry");
  CHECK(settings.retry->dead_letter_queue == "q.dead");
}

TEST_CASE("rmq: options out of a URL", "[rmq]") {
  CHECK(rmq::options_from_url("amqps://u:p@h:1/v?queue=q&ca=ca.pem&heartbeat=3") ==
        json{{"urls", {"amqps://u:p@h:1/v?heartbeat=3"}}, {"queue", "q"}, {"socketOptions", {{"connectionOptions", {{"ca", "ca.pem"}}}}}});
  CHECK_THROWS_AS(rmq::options_from_url("amqp://h?ca=ca.pem"), ConfigError);
  CHECK_THROWS_AS(rmq::options_from_url("amqp://h?heartbeat=soon"), ConfigError);
}

TEST_CASE("rmq: records are NestJS's publish options", "[rmq]") {
  rmq::Properties properties;
  bool mandatory = false;
  Headers headers;
  Failure failure;
  const json record{{"priority", 3}, {"expiration", "60000"}, {"persistent", true}, {"mandatory", true}, {"headers", {{"a", "b"}}}};
  REQUIRE(rmq::read_record(record, properties, mandatory, headers, failure));
  CHECK(properties.priority == 3);
  CHECK(properties.expiration == "60000");
  CHECK(properties.delivery_mode == 2);
  CHECK(mandatory);
  CHECK(headers.get("a") == "b");
  for (const json& bad : {json{{"priority", 256}}, json{{"priority", -1}}, json{{"expiration", "soon"}}, json{{"deliveryMode", 3}},
                          json{{"prority", 1}}, json{{"headers", {{"a", 1}}}}, json{{"messageId", std::string(256, 'x')}}, json(1)}) {
    CHECK_FALSE(rmq::read_record(bad, properties, mandatory, headers, failure));
    CHECK(failure.code == errc::unsupported);
    CHECK(failure.fate == Fate::not_sent);
  }
}

TEST_CASE("rmq: the README has the options as they are", "[rmq]") {
  std::ifstream file(FERRY_TESTS_DIR "/../transports/rmq/README.md");
  std::ostringstream text;
  text << file.rdbuf();
  CHECK(text.str().find(spi::to_markdown(rmq::server_option_table())) != std::string::npos);
  CHECK(text.str().find(spi::to_markdown(rmq::client_option_table())) != std::string::npos);
}
