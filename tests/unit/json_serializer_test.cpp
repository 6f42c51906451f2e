#include "serializers/json/json_serializer.hpp"

#include <fstream>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "ferry/detail/json_value.hpp"

#ifndef FERRY_VECTOR_DIR
#define FERRY_VECTOR_DIR FERRY_TESTS_DIR "/vectors"
#endif

using namespace ferry;
using spi::ReplyKind;
using spi::ReplyView;
using spi::RequestView;
using Form = RequestView::PatternForm;
using Tree = nlohmann::ordered_json;

namespace {

const serializers::JsonSerializer serializer;
constexpr const char* no_handler_text = "There is no matching message handler defined in the remote service.";

Tree vectors(const std::string& name) {
  std::ifstream file(std::string(FERRY_VECTOR_DIR) + "/" + name);
  REQUIRE(file);
  return Tree::parse(file).at("vectors");
}

std::string text_of(const Tree& value) {
  std::string out;
  detail::write_dom(out, value);
  return out;
}

/// The route of a received pattern, as core looks it up.
std::string route_of(const RequestView& view) {
  if (view.pattern_form == Form::text) return detail::lookup_key(view.pattern).text;
  if (view.pattern.front() != '"') return detail::route_of_json(view.pattern).text;
  std::string text;
  detail::unescape_json(view.pattern.substr(1, view.pattern.size() - 2), text);
  return detail::lookup_key(text).text;
}

/// Of a vector's frame, `69#{...}`.
std::string body_of(const Tree& frame) {
  const auto text = frame.at("frame").get<std::string>();
  return text.substr(text.find('#') + 1);
}

std::string request(const spi::RequestEnvelope& envelope, std::string_view payload) {
  std::string head;
  std::string tail;
  serializer.write_request(envelope, head, tail);
  return head.append(payload).append(tail);
}

std::string reply(ReplyKind kind, std::string_view id, std::string_view payload = {}) {
  std::string head;
  std::string tail;
  serializer.write_reply({kind, id}, head, tail);
  return head.append(payload).append(tail);
}

RequestView read_request(std::string_view body) {
  RequestView view;
  const char* fault = serializer.read_request(body, view);
  INFO(body);
  CHECK(fault == nullptr);
  return view;
}

ReplyView read_reply(std::string_view body) {
  ReplyView view;
  const char* fault = serializer.read_reply(body, view);
  INFO(body);
  CHECK(fault == nullptr);
  return view;
}

void check_request(const Tree& vector, std::string_view body) {
  const RequestView view = read_request(body);
  const bool event = vector.at("kind") == "event";
  CHECK(view.has_payload);
  CHECK(view.has_id == !event);

  const Pattern pattern = Pattern::from_json(text_of(vector.at("pattern")));
  const std::string id = view.has_id ? std::string(view.id.substr(1, view.id.size() - 2)) : std::string();
  CHECK(request({&pattern, event, view.has_payload, nullptr, id}, view.payload) == body);
  CHECK(route_of(view) == detail::lookup_key(pattern.route()).text);
}

void check_reply(std::string_view id, std::string_view body) {
  const ReplyView view = read_reply(body);
  CHECK('"' + std::string(view.id) + '"' == id);
  if (view.failed) {
    CHECK_FALSE(view.has_value);
    const bool no_handler = view.error == '"' + std::string(no_handler_text) + '"';
    CHECK(reply(no_handler ? ReplyKind::no_handler : ReplyKind::error, id, no_handler ? "" : view.error) == body);
  } else {
    const ReplyKind kind = !view.last ? ReplyKind::item : view.has_value ? ReplyKind::last_item : ReplyKind::end;
    CHECK(reply(kind, id, view.value) == body);
  }
}

}  // namespace

TEST_CASE("json: values are written as JSON.stringify writes them") {
  for (const Tree& vector : vectors("json-text.json")) {
    INFO(vector.at("name"));
    const auto text = vector.at("text").get<std::string>();
    detail::JsonReader reader(vector.at("inputJson").get_ref<const std::string&>());
    Tree value;
    REQUIRE(detail::read_dom(reader, value));
    CHECK(text_of(value) == text);

    const auto decoded = serializer.decode(text);
    REQUIRE(decoded);
    std::string out = "kept";
    serializer.encode(*decoded, out);
    CHECK(out.substr(0, 4) == "kept");
    CHECK(*serializer.decode(out.substr(4)) == *decoded);
  }
}

TEST_CASE("json: the envelopes NestJS sends over TCP, read and written") {
  for (const Tree& vector : vectors("tcp-envelopes.json")) {
    INFO(vector.at("name"));
    for (const Tree& frame : vector.at("clientToServer")) check_request(vector, body_of(frame));
    for (const Tree& frame : vector.at("serverToClient")) {
      const std::string sent = body_of(vector.at("clientToServer").at(0));
      check_reply(read_request(sent).id, body_of(frame));
    }
  }
}

TEST_CASE("json: odd packets are classified as NestJS's server does") {
  for (const Tree& vector : vectors("tcp-server-incoming.json")) {
    const auto body = vector.at("body").get<std::string>();
    INFO(body);
    const RequestView view = read_request(body);
    if (vector.at("reply").is_null()) {
      CHECK_FALSE(view.has_id);
      CHECK((view.pattern_form == Form::text) == (body == R"({"pattern":"evt"})"));
      continue;
    }
    const auto expected = vector.at("reply").get<std::string>();
    REQUIRE(view.has_id);
    if (expected.find(no_handler_text) != std::string::npos) {
      CHECK(view.pattern_form != Form::text);
      CHECK(reply(ReplyKind::no_handler, view.id) == expected);
    } else {
      CHECK(view.pattern_form == Form::text);
      CHECK(view.pattern == "echo");
      CHECK(reply(view.has_payload ? ReplyKind::last_item : ReplyKind::end, view.id, view.payload) == expected);
    }
  }
}

TEST_CASE("json: replies mean what they mean to a NestJS 12 client") {
  for (const Tree& vector : vectors("client-reply-handling.json")) {
    auto body = vector.at("reply").get<std::string>();
    if (body == "BADFRAME" || body == "CLOSE" || body == "RST") continue;
    for (std::size_t at; (at = body.find(":ID")) != std::string::npos;) body.replace(at, 3, R"(:"ID")");
    INFO(body);
    const Tree& expected = vector.at("v12");
    const ReplyView view = read_reply(body);
    if (view.id != "ID") {
      CHECK(expected.at("emitted").empty());
      continue;
    }
    REQUIRE(view.failed == expected.contains("error"));
    if (view.failed) {
      CHECK(Tree::parse(view.error) == expected.at("error"));
      CHECK(view.last);
      continue;
    }
    CHECK(view.last == expected.contains("completed"));
    REQUIRE(view.has_value == !expected.at("emitted").empty());
    if (!view.has_value) continue;
    const Tree& emitted = expected.at("emitted").at(0);
    if (emitted == Tree{{"$undefined", true}}) {
      CHECK(view.value.empty());
    } else {
      CHECK(Tree::parse(view.value) == emitted);
    }
  }
}

TEST_CASE("json: a request with headers, and one without data") {
  const Pattern pattern("a\"b");
  Headers headers;
  headers.set("k", "v").set("traceparent", "00-1\n");
  const std::string body = request({&pattern, false, true, &headers, "7"}, "[1]");
  CHECK(body == R"({"pattern":"a\"b","data":[1],"metadata":{"k":"v","traceparent":"00-1\n"},"id":"7"})");
  const RequestView view = read_request(body);
  CHECK(view.pattern_form == Form::json);   // its escape can only stay a view as JSON text
  CHECK(view.pattern == R"("a\"b")");
  CHECK(serializer.read_headers(view.headers) == headers);
  CHECK(request({&pattern, false, false, nullptr, "7"}, {}) == R"({"pattern":"a\"b","id":"7"})");
  CHECK(request({&pattern, true, false, nullptr, {}}, {}) == R"({"pattern":"a\"b"})");
}

TEST_CASE("json: replies without an id, for transports that match by themselves") {
  CHECK(reply(ReplyKind::item, {}, "1") == R"({"response":1})");
  CHECK(reply(ReplyKind::last_item, {}, "1") == R"({"response":1,"isDisposed":true})");
  CHECK(reply(ReplyKind::end, {}) == R"({"isDisposed":true})");
  CHECK(reply(ReplyKind::error, {}, "{}") == R"({"err":{},"isDisposed":true})");
  CHECK(read_reply(R"({"response":1})").id.empty());
}

TEST_CASE("json: escaped member names, repeated members and white space") {
  const RequestView view = read_request(" { \"\\u0069d\" : 1 , \"data\":1, \"pattern\":\"x\",\"p\\u0061ttern\" : \"y\" ,"
                                        "\"data\" : [ 1 ] , \"metadata\":5 } ");
  CHECK(view.id == "1");
  CHECK(view.pattern == "y");
  CHECK(view.payload == "[ 1 ]");
  CHECK(view.headers.empty());
  CHECK(read_reply("{\"\\u0065rr\":\"x\",\"id\":\"a\"}").failed);
  CHECK(read_reply(R"({"id":"a","err":"x","err":0,"isDisposed":1})").last);
  CHECK(read_reply(R"({"id":"a","response":1,"isDisposed":"false"})").last);
  CHECK_FALSE(read_reply(R"({"id":"a","response":1,"isDisposed":-0.0})").last);
}

TEST_CASE("json: a body is checked to its last byte") {
  const std::string good = R"({"pattern":{"cmd":"s"},"data":[1,{"a":"b\n"}],"metadata":{"k":"v"},"id":"x"})";
  RequestView view;
  ReplyView reply_view;
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK(serializer.read_request(std::string(good, 0, size), view) != nullptr);
    CHECK(serializer.read_reply(std::string(good, 0, size), reply_view) != nullptr);
  }
  for (const char* body : {"{} x", R"({"data":[1,]})", R"({"data":01})", R"({"data":"\x"})", R"({"a":1,})", "nul", "[1", ""}) {
    INFO(body);
    CHECK(serializer.read_request(body, view) != nullptr);
    CHECK(serializer.read_reply(body, reply_view) != nullptr);
  }
  CHECK(serializer.read_request(std::string(100000, '['), view) != nullptr);
  CHECK(serializer.read_request(R"({"data":)" + std::string(1001, '[') + std::string(1001, ']') + "}", view) != nullptr);
}

TEST_CASE("json: headers that are not text keep their JSON text") {
  const Headers headers = serializer.read_headers(R"({"a":"x\u00e9","b":7,"c":{"z":1, "y":[true]},"\u0064":null})");
  CHECK(headers.get("a") == "x\xC3\xA9");
  CHECK(headers.get("b") == "7");
  CHECK(headers.get("c") == R"({"z":1,"y":[true]})");
  CHECK(headers.get("d") == "null");
  CHECK(serializer.read_headers("5").empty());
  CHECK(serializer.read_headers("").empty());
}

TEST_CASE("json: any number of headers is read at once, the last of a name counting") {
  std::string text = "{\"k7\":\"first\"";
  for (int i = 0; i < 300'000; ++i) text += ",\"k" + std::to_string(i) + "\":\"v\"";
  const Headers headers = serializer.read_headers(text + R"(,"k9":{"a" :"\" b"}})");
  CHECK(headers.size() == 300'000);
  CHECK(headers.begin()->first == "k7");
  CHECK(headers.get("k7") == "v");
  CHECK(headers.get("k9") == R"({"a":"\" b"})");
}

TEST_CASE("json: bytes go as a Node Buffer, and come back from one or from text") {
  const std::string bytes("\0\x01\xFF", 3);
  std::string out;
  serializer.encode_bytes(bytes, out);
  CHECK(out == R"({"type":"Buffer","data":[0,1,255]})");
  CHECK(*serializer.decode_bytes(out) == bytes);
  CHECK(*serializer.decode_bytes(R"( {"data":[],"type":"Buffer"} )") == "");
  CHECK(*serializer.decode_bytes(R"("\u00e9x")") == "\xC3\xA9x");
  for (const char* bad : {R"({"type":"Buffer","data":[256]})", R"({"type":"Buffer","data":[-1]})", R"({"data":[1]})",
                          R"({"type":"Buffer","data":[1.5]})", R"({"type":"Buffer"})", "[1]", "5", "\"x", "{}x", ""}) {
    INFO(bad);
    CHECK(serializer.decode_bytes(bad).failure().code == errc::bad_payload);
  }
}

TEST_CASE("json: a payload that is no JSON is refused with the reason") {
  CHECK(serializer.decode("[1,").failure().code == errc::bad_payload);
  CHECK(serializer.decode("1 2").failure().detail.find("behind the value") != std::string::npos);
  CHECK(serializer.to_json_text("{").failure().code == errc::bad_payload);
  CHECK(*serializer.to_json_text(R"({"a":1})") == R"({"a":1})");
}
