// transports/grpc without gRPC: the wire format, messages as JSON, the envelope, options.

#include "catch.hpp"
#include "ferry_test_paths.hpp"

#include <fstream>
#include <sstream>

#include "transports/common/base64.hpp"
#include "transports/grpc/codec.hpp"
#include "transports/grpc/contract.hpp"
#include "transports/grpc/envelope.hpp"
#include "transports/grpc/options.hpp"
#include "transports/grpc/wire.hpp"

namespace {

using namespace ferry;
using namespace ferry::grpc;
using nlohmann::json;

const Shape& kinds(const LoaderOptions& loader) {
  static std::vector<std::unique_ptr<Protos>> kept;
  kept.push_back(std::make_unique<Protos>(Protos::Source{{FERRY_TESTS_DIR "/grpc/proto/hero.proto"}, {}, {"hero"}, "/", {}, {}}, loader));
  return *kept.back()->find("HeroService/Echo")->request;
}

std::string encoded(const json& value) {
  std::string out;
  CodecFault fault;
  INFO(value.dump());
  REQUIRE(encode_message(kinds({}), value, out, fault));
  return out;
}

std::string encode_fault(const json& value) {
  std::string out;
  CodecFault fault;
  const Shape& shape = kinds({});
  return encode_message(shape, value, out, fault) ? "" : fault.text(shape);
}

json decoded(std::string_view wire, const LoaderOptions& loader = {}) {
  json out;
  CodecFault fault;
  REQUIRE(decode_message(kinds(loader), loader, wire, out, fault));
  return out;
}

std::string decode_fault(std::string_view wire) {
  json out;
  CodecFault fault;
  const Shape& shape = kinds({});
  return decode_message(shape, {}, wire, out, fault) ? "" : fault.text(shape);
}

}  // namespace

TEST_CASE("grpc: varints and fields", "[grpc]") {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, ~std::uint64_t{0}}) {
    std::string out;
    wire::append_varint(out, value);
    wire::Reader reader(out);
    std::uint64_t got = 0;
    REQUIRE(reader.varint(got));
    CHECK(got == value);
    CHECK(reader.at_end());
  }
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    CHECK(wire::unzigzag(wire::zigzag(value)) == value);
  }
  // No number, a type there is not, an endless varint, a length past the end, a group that does not end.
  for (const std::string_view bad : {std::string_view("\x00", 1), std::string_view("\x0e"), std::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                                     std::string_view("\x0a\x05" "ab"), std::string_view("\x0b\x08\x01"), std::string_view("\x0c")}) {
    wire::Reader reader(bad);
    while (reader.next()) reader.skip();
    CHECK(reader.failed());
  }
}

TEST_CASE("grpc: base64", "[grpc]") {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "\x00\xff"}) {
    std::string back;
    REQUIRE(transports::from_base64(transports::to_base64(text), back));
    CHECK(back == text);
  }
  std::string out;
  CHECK(transports::to_base64("fo") == "Zm8=");
  CHECK(transports::from_base64("_-8", out));
  CHECK_FALSE(transports::from_base64("a", out));
  CHECK_FALSE(transports::from_base64("a b=", out));
}

TEST_CASE("grpc: camel case is protobufjs's", "[grpc]") {
  CHECK(camel_case("first_name") == "firstName");
  CHECK(camel_case("a_1") == "a_1");
  CHECK(camel_case("_private") == "_private");
  CHECK(camel_case("float_64_value") == "float_64Value");
  CHECK(camel_case("Upper_case") == "UpperCase");
}

TEST_CASE("grpc: messages that were read are written as they were", "[grpc]") {
  const json all = json::parse(R"({"float64":1.5,"int64Value":-9223372036854775808,"uint64Value":18446744073709551615,
    "sint32Value":-5,"sfixed64Value":-6,"truth":false,"text":"","data":{"type":"Buffer","data":[0,255]},"colour":5,
    "power":{},"powers":[{"level":1},{}],"numbers":[0,1],"words":["",""],"counts":{"":0},"byNumber":{"-7":{"name":"x"}},
    "chosenText":"","maybe":0,"loose":[3]})");
  CHECK(decoded(encoded(all)) == all);
  CHECK(encoded(json::object()).empty());
  CHECK(encoded({{"unknown", 1}, {"text", nullptr}}).empty());
  CHECK(decoded(encoded({{"int64_value", "5"}})) == json{{"int64Value", 5}});   // by its own name, too, and as text
  CHECK(decoded(encoded({{"int64Value", {{"low", -1}, {"high", 0}, {"unsigned", false}}}})) == json{{"int64Value", 4294967295}});
  CHECK(decoded(encoded({{"colour", "RED"}})) == json{{"colour", 1}});
  CHECK(decoded(encoded({{"data", "AP8="}}), {.bytes = LoaderOptions::Bytes::array}) == json{{"data", {0, 255}}});
}

TEST_CASE("grpc: values that do not fit are told with their place", "[grpc]") {
  CHECK(encode_fault({{"int32Value", "x"}}) == "common.Kinds.int32Value: expected an integer of 32 bits, got \"x\"");
  CHECK(encode_fault({{"int32Value", 2147483648}}) == "common.Kinds.int32Value: expected an integer of 32 bits, got 2147483648");
  CHECK(encode_fault({{"uint64Value", -1}}) == "common.Kinds.uint64Value: expected an integer of unsigned 64 bits, got -1");
  CHECK(encode_fault({{"powers", {{{"level", 1}}, {{"level", true}}}}}) ==
        "common.Kinds.powers[1].level: expected an integer of 32 bits, got true");
  CHECK(encode_fault({{"colour", "GREEN"}}) == "common.Kinds.colour: \"GREEN\" is no value of common.Colour, which has NONE, RED, BLUE");
  CHECK(encode_fault({{"byNumber", {{"x", json::object()}}}}) == "common.Kinds.byNumber.x: expected an integer of 32 bits, got \"x\"");
  CHECK(encode_fault({{"words", "x"}}) == "common.Kinds.words: expected an array, got \"x\"");
  CHECK(encode_fault(json::array()) == "common.Kinds: expected an object, got []");
}

TEST_CASE("grpc: bytes that are no message", "[grpc]") {
  CHECK(decode_fault(std::string_view("\x0a\xff", 2)).starts_with("common.Kinds"));
  CHECK(decode_fault("\x72\x02\xc3\x28") == "common.Kinds.text: a string that is no UTF-8");
  CHECK(decode_fault("\x72\x05" "ab") == "common.Kinds.text: it is cut short");
  CHECK(decode_fault("\x72") == "common.Kinds.text: it is cut short");
  CHECK(decode_fault("\xff") == "common.Kinds: it is cut short, or no Protobuf");
  CHECK(decode_fault("\x70\x01") == "common.Kinds.text: of another type than string");
  CHECK(decoded("\x18\x01\xa0\x06\x01") == json{{"int32Value", 1}});   // 100 is no field of it
}

TEST_CASE("grpc: scalars come packed or not, whatever the .proto says", "[grpc]") {
  CHECK(decoded(std::string_view("\x9a\x01\x02\x01\x02\x98\x01\x03", 8)) == json{{"numbers", {1, 2, 3}}});
  CHECK(decoded(std::string_view("\xda\x01\x02\x01\x02\xd8\x01\x03", 8)) == json{{"loose", {1, 2, 3}}});
}

TEST_CASE("grpc: the envelope's messages", "[grpc]") {
  const Pattern pattern{{"cmd", "sum"}};
  const Headers headers = Headers().set("Tenant", "é");
  std::string payload = "[1,2]";
  spi::OutgoingMessage out;
  out.pattern = &pattern;
  out.has_payload = true;
  out.payload = &payload;
  out.headers = &headers;
  out.id = "abc";
  std::string bytes;
  envelope::write_head(out, "json", std::chrono::milliseconds(1500), bytes);
  bytes += payload;
  envelope::Message message;
  REQUIRE(envelope::read(bytes, message) == nullptr);
  CHECK(message.view.pattern == R"({"cmd":"sum"})");
  CHECK(message.view.payload == payload);
  CHECK(message.view.id == "abc");
  CHECK(message.timeout == std::chrono::milliseconds(1500));
  CHECK(message.serializer == "json");
  REQUIRE(message.headers.size() == 1);
  CHECK(message.headers[0].second == "é");
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {   // cut short anywhere: an answer, and never a read past the end
    envelope::Message part;
    static_cast<void>(envelope::read(std::string_view(bytes).substr(0, cut), part));
  }
  envelope::Message none;
  CHECK(envelope::read("", none) != nullptr);
  envelope::Reply reply;
  CHECK(envelope::read("\x08\x09", reply) != nullptr);
}

TEST_CASE("grpc: URLs and options", "[grpc]") {
  CHECK(options_from_url("grpc://127.0.0.1:5001") == json{{"url", "127.0.0.1:5001"}});
  CHECK(options_from_url("grpcs://math?ca=ca.pem") == json{{"url", "math:5000"}, {"credentials", {{"ca", "ca.pem"}}}});
  CHECK_THROWS_AS(options_from_url("grpc://math?ca=ca.pem"), ConfigError);
  CHECK_THROWS_AS(options_from_url("http://math"), ConfigError);
  const auto settings = [](const json& options) {
    spi::ClientEnvironment environment;
    environment.options = spi::Options::parse(options, client_option_table(), {"app.json", "/options"});
    return client_settings(environment);
  };
  CHECK(settings({{"url", {"10.0.0.1:1", "10.0.0.2:1"}}}).target == "ipv4:10.0.0.1:1,10.0.0.2:1");
  CHECK_THROWS_AS(settings({{"url", {"10.0.0.1:1", "math:1"}}}), ConfigError);
  const ClientSettings set = settings({{"channelOptions", {{"grpc.keepalive_time_ms", 1}, {"grpc.primary_user_agent", "x"}}},
                                       {"keepalive", {{"keepaliveTimeMs", 5000}}}, {"maxSendMessageLength", 10}});
  CHECK(std::get<int>(set.channel.at("grpc.keepalive_time_ms")) == 5000);   // keepalive wins
  CHECK(std::get<std::string>(set.channel.at("grpc.primary_user_agent")) == "x");
  CHECK(std::get<int>(set.channel.at("grpc.max_send_message_length")) == 10);
  CHECK(std::get<int>(set.channel.at("grpc.max_receive_message_length")) == 4194304);
  CHECK_THROWS_AS(settings({{"channelOptions", {{"x", 1.5}}}}), ConfigError);
  CHECK_THROWS_AS(settings({{"credentials", {{"key", "k"}}}}), ConfigError);
}

TEST_CASE("grpc: the README has the options as they are", "[grpc]") {
  std::ifstream file(FERRY_TESTS_DIR "/../transports/grpc/README.md");
  std::stringstream text;
  text << file.rdbuf();
  CHECK_THAT(text.str(), Catch::Contains(spi::to_markdown(server_option_table())));
  CHECK_THAT(text.str(), Catch::Contains(spi::to_markdown(client_option_table())));
}
