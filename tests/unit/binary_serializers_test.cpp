// msgpack and cbor: the same promises, so the same tests.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "ferry/detail/codec.hpp"
#include "serializers/cbor/cbor_serializer.hpp"
#include "serializers/msgpack/msgpack_serializer.hpp"

using namespace ferry;
using namespace std::string_literals;
using nlohmann::json;
using serializers::CborSerializer;
using serializers::MsgpackSerializer;
using spi::ReplyKind;
using spi::ReplyView;
using spi::RequestView;
using Form = RequestView::PatternForm;

namespace {

json parse(const CborSerializer&, std::string_view body) { return json::from_cbor(body); }
json parse(const MsgpackSerializer&, std::string_view body) { return json::from_msgpack(body); }

template <class S>
std::string encoded(const S& serializer, const json& value) {
  std::string out;
  serializer.encode(value, out);
  return out;
}

template <class S>
std::string request(const S& serializer, const spi::RequestEnvelope& envelope, std::string_view payload = {}) {
  std::string head;
  std::string tail;
  serializer.write_request(envelope, head, tail);
  return head.append(payload).append(tail);
}

template <class S>
std::string reply(const S& serializer, ReplyKind kind, std::string_view id, std::string_view payload = {}) {
  std::string head;
  std::string tail;
  serializer.write_reply({kind, id}, head, tail);
  return head.append(payload).append(tail);
}

/// Keeps a body alive as long as the views into it.
const std::string& kept(std::string body) {
  static std::vector<std::unique_ptr<std::string>> bodies;
  return *bodies.emplace_back(std::make_unique<std::string>(std::move(body)));
}

/// A body in memory of exactly its size, so that a sanitizer sees a read past its end.
struct Exact {
  explicit Exact(std::string_view body) : data(new char[body.size()]), size(body.size()) {
    body.copy(data.get(), body.size());
  }
  std::string_view view() const { return {data.get(), size}; }
  std::unique_ptr<char[]> data;
  std::size_t size;
};

template <class S>
void feed(const S& serializer, std::string_view bytes) {
  const Exact body(bytes);
  RequestView request_view;
  ReplyView reply_view;
  static_cast<void>(serializer.read_request(body.view(), request_view));
  static_cast<void>(serializer.read_reply(body.view(), reply_view));
  static_cast<void>(serializer.read_headers(body.view()));
  static_cast<void>(serializer.to_json_text(body.view()));
  static_cast<void>(serializer.decode_bytes(body.view()));
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

const json sample = {{"n", nullptr}, {"t", true}, {"i", -70000}, {"u", 18446744073709551615U}, {"d", 1.5}, {"s", "é€😀"},
                     {"long", std::string(300, 'x')}, {"a", {1, 2, json::array()}}, {"o", {{"k", json::object()}}},
                     {"b", json::binary({0, 1, 255})}};

}  // namespace

TEMPLATE_TEST_CASE("binary: values come back as they went", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  CHECK_FALSE(serializer.text());
  CHECK_FALSE(serializer.json_text());
  const std::string bytes = encoded(serializer, sample);
  const auto value = serializer.decode(bytes);
  REQUIRE(value);
  CHECK(*value == sample);
  CHECK(*serializer.to_json_text(encoded(serializer, {{"a", 1.0}, {"b", json::binary({7})}})) ==
        R"({"a":1,"b":{"type":"Buffer","data":[7]}})");

  for (const std::size_t size : {0U, 1U, 255U, 256U, 70000U}) {
    std::string out;
    serializer.encode_bytes(std::string(size, '\xFE'), out);
    CHECK(*serializer.decode_bytes(out) == std::string(size, '\xFE'));
    CHECK(parse(serializer, out).is_binary());
  }
  CHECK(*serializer.decode_bytes(encoded(serializer, "text")) == "text");
  CHECK(serializer.decode_bytes(encoded(serializer, 5)).failure().code == errc::bad_payload);
  CHECK(serializer.decode(bytes + "x").failure().code == errc::bad_payload);
}

TEMPLATE_TEST_CASE("binary: a type takes what it takes from JSON text", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  const auto refuses = [&](auto type, const json& value) {
    CAPTURE(value);
    CHECK_THROWS_AS(detail::decode<decltype(type)>(serializer, encoded(serializer, value)), SerializationError);
  };
  refuses(double(), true);
  refuses(float(), true);
  refuses(float(), nullptr);
  refuses(std::array<int, 2>(), {1, 2, 3});
  refuses(std::array<int, 2>(), {1});
  refuses(std::array<int, 2>(), {1, 2.5});
  refuses(std::map<std::string, int>(), {{"a", 2.5}});
  refuses(std::map<std::string, std::uint8_t>(), {{"a", 256}});
  refuses(std::map<std::string, int>(), json::array());
  refuses(std::vector<std::optional<int>>(), {1, 2.5});

  std::string large;
  serializer.encode(4073176015161166e1, large);
  CHECK(detail::decode<std::int64_t>(serializer, large) == detail::decode_json<std::int64_t>("4073176015161166e1"));

  using Nested = std::map<std::string, std::vector<std::optional<std::array<double, 2>>>>;
  const Nested value{{"a", {std::array{1.0, 2.5}, std::nullopt}}, {"b", {}}};
  std::string bytes;
  detail::encode(serializer, value, bytes);
  CHECK(*serializer.to_json_text(bytes) == R"({"a":[[1,2.5],null],"b":[]})");
  CHECK(detail::decode<Nested>(serializer, bytes) == value);
}

TEMPLATE_TEST_CASE("binary: requests and events", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  const Pattern pattern({"cmd", "sum"}, {"b", 1});
  Headers headers;
  for (int i = 0; i < 20; ++i) headers.set("header-" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 20, 'v'));
  const std::string payload = encoded(serializer, sample);
  const std::string body = request(serializer, {&pattern, false, true, &headers, "id-1"}, payload);

  json expected = {{"pattern", pattern.route()}, {"data", sample}, {"id", "id-1"}};
  for (const auto& [name, value] : headers) expected["metadata"][name] = value;
  CHECK(parse(serializer, body) == expected);

  RequestView view;
  REQUIRE(serializer.read_request(body, view) == nullptr);
  CHECK(view.pattern_form == Form::text);
  CHECK(view.pattern == pattern.route());
  CHECK(view.has_payload);
  CHECK(view.payload == payload);
  REQUIRE(view.has_id);
  CHECK(view.id == encoded(serializer, "id-1"));
  CHECK(serializer.read_headers(view.headers) == headers);

  const std::string event = request(serializer, {&pattern, true, false, nullptr, {}});
  CHECK(parse(serializer, event) == json{{"pattern", pattern.route()}});
  REQUIRE(serializer.read_request(event, view) == nullptr);
  CHECK_FALSE(view.has_id);
  CHECK_FALSE(view.has_payload);
}

TEMPLATE_TEST_CASE("binary: odd requests", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  RequestView view;
  for (const json& foreign : {json(nullptr), json(1), json::array({1}), json::object(), json{{"id", "A"}, {"foo", 1}}}) {
    REQUIRE(serializer.read_request(encoded(serializer, foreign), view) == nullptr);
    CHECK(view.pattern_form == Form::absent);
    CHECK_FALSE(view.has_payload);
    CHECK_FALSE(view.has_id);
  }
  REQUIRE(serializer.read_request(kept(encoded(serializer, {{"data", 1}, {"id", 7}, {"metadata", "x"}})), view) == nullptr);
  CHECK(view.pattern_form == Form::absent);
  CHECK(view.id == encoded(serializer, 7));
  CHECK(view.headers.empty());
  CHECK(serializer.read_request(encoded(serializer, {{"pattern", {{"cmd", "sum"}}}, {"data", 1}}), view) != nullptr);
  CHECK(serializer.read_headers(encoded(serializer, {{"a", 1}, {"b", {{"c", true}}}})).get("b") == R"({"c":true})");
}

TEMPLATE_TEST_CASE("binary: replies", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  const std::string id = encoded(serializer, "A");
  const std::string six = encoded(serializer, 6);
  ReplyView view;

  CHECK(parse(serializer, reply(serializer, ReplyKind::item, id, six)) == json{{"response", 6}, {"id", "A"}});
  CHECK(parse(serializer, reply(serializer, ReplyKind::last_item, {}, six)) == json{{"response", 6}, {"isDisposed", true}});
  CHECK(parse(serializer, reply(serializer, ReplyKind::end, id)) == json{{"isDisposed", true}, {"id", "A"}});

  REQUIRE(serializer.read_reply(kept(reply(serializer, ReplyKind::item, id, six)), view) == nullptr);
  CHECK((view.id == "A" && view.has_value && !view.last && !view.failed));
  REQUIRE(serializer.read_reply(kept(reply(serializer, ReplyKind::end, id)), view) == nullptr);
  CHECK((view.id == "A" && !view.has_value && view.last));
  const std::string error = reply(serializer, ReplyKind::error, id, encoded(serializer, {{"code", 7}}));
  REQUIRE(serializer.read_reply(error, view) == nullptr);
  CHECK((view.failed && view.last && !view.has_value));
  CHECK(*serializer.to_json_text(view.error) == R"({"code":7})");
  const std::string no_handler = reply(serializer, ReplyKind::no_handler, id);
  REQUIRE(serializer.read_reply(no_handler, view) == nullptr);
  CHECK(view.failed);
  CHECK(*serializer.to_json_text(view.error) == "\"There is no matching message handler defined in the remote service.\"");
}

TEMPLATE_TEST_CASE("binary: replies of other makes", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  ReplyView view;
  for (const json& falsy : {json(nullptr), json(false), json(0), json(""), json(0.0), json(-0.0)}) {
    const std::string body = encoded(serializer, {{"id", "A"}, {"err", falsy}, {"isDisposed", falsy}, {"response", 1}});
    REQUIRE(serializer.read_reply(body, view) == nullptr);
    CHECK((!view.failed && view.has_value && !view.last));
  }
  REQUIRE(serializer.read_reply(kept(encoded(serializer, {{"id", "A"}})), view) == nullptr);
  CHECK((view.has_value && view.value.empty() && !view.last));
  const std::string foreign = encoded(serializer, {{"id", "A"}, {"err", "x"}, {"foo", 1}});
  REQUIRE(serializer.read_reply(foreign, view) == nullptr);
  CHECK((view.id == "A" && view.value == foreign && view.last && !view.failed));
  REQUIRE(serializer.read_reply(kept(encoded(serializer, 5)), view) == nullptr);
  CHECK((view.id.empty() && view.last && view.value == encoded(serializer, 5)));
}

TEMPLATE_TEST_CASE("binary: a body cut anywhere is refused", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  const Pattern pattern("p");
  const std::string body = request(serializer, {&pattern, false, true, nullptr, "id"}, encoded(serializer, sample));
  RequestView view;
  ReplyView reply_view;
  for (std::size_t size = 0; size < body.size(); ++size) {
    const Exact cut(std::string_view(body).substr(0, size));
    CHECK(serializer.read_request(cut.view(), view) != nullptr);
    CHECK(serializer.read_reply(cut.view(), reply_view) != nullptr);
    CHECK_FALSE(serializer.decode(cut.view()));
  }
  CHECK(serializer.read_request(body + "x", view) != nullptr);
}

TEMPLATE_TEST_CASE("binary: bytes at random", "", MsgpackSerializer, CborSerializer) {
  const TestType serializer;
  const auto seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const Pattern pattern("p");
  const std::string good = request(serializer, {&pattern, false, true, nullptr, "id"}, encoded(serializer, sample));
  for (int i = 0; i < 20000; ++i) {
    std::string body = i % 2 == 0 ? good : std::string(random() % 40, '\0');
    for (std::size_t changes = i % 2 == 0 ? 3 : body.size(); changes > 0; --changes) {
      body[i % 2 == 0 ? random() % body.size() : changes - 1] = static_cast<char>(random());
    }
    feed(serializer, body);
  }
}

TEST_CASE("binary: sizes that the bytes do not bear out are refused, and cost nothing") {
  const MsgpackSerializer msgpack;
  const CborSerializer cbor;
  for (const std::string& body : {"\xDD\xFF\xFF\xFF\xFF"s, "\xDF\xFF\xFF\xFF\xFF"s, "\xDB\xFF\xFF\xFF\xFF"s,
                                  "\xC6\xFF\xFF\xFF\xFF"s, "\xC9\xFF\xFF\xFF\xFF"s, "\xDC\xFF\xFF\x01"s, "\xC1"s}) {
    CHECK_FALSE(msgpack.decode(body));
    feed(msgpack, body);
  }
  for (const std::string& lead : {"\x9B"s, "\xBB"s, "\x5B"s, "\x7B"s, "\x3B"s}) {
    const std::string body = lead + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    CHECK_FALSE(cbor.decode(body));
    feed(cbor, body);
  }
}

TEST_CASE("binary: deep nesting is walked, too deep nesting refused") {
  const MsgpackSerializer msgpack;
  const CborSerializer cbor;
  CHECK(msgpack.decode(repeated("\x91", 1000) + "\xC0"));
  CHECK_FALSE(msgpack.decode(repeated("\x91", 1001) + "\xC0"));
  CHECK(cbor.decode(repeated("\x81", 1000) + "\xF6"));
  CHECK_FALSE(cbor.decode(repeated("\x81", 1001) + "\xF6"));
  CHECK(cbor.decode(repeated("\x9F", 1000) + "\xF6" + repeated("\xFF", 1000)));
  for (const char* lead : {"\x91", "\x81\xA0", "\x81", "\x9F", "\xC1", "\xBF\x60", "\xD8\x20"}) {
    feed(msgpack, repeated(lead, 200000));
    feed(cbor, repeated(lead, 200000));
  }
}

TEST_CASE("cbor: indefinite lengths, tags, undefined and half floats") {
  const CborSerializer cbor;
  RequestView view;
  const std::string body = "\xBF\x67pattern\x61p\x64" "data\x9F\x01\x9F\xFF\xFF\x62id\xC1\x05\xFF"s;
  REQUIRE(cbor.read_request(body, view) == nullptr);
  CHECK(view.pattern == "p");
  CHECK(view.payload == "\x9F\x01\x9F\xFF\xFF"s);
  CHECK(view.id == "\xC1\x05"s);
  CHECK(*cbor.to_json_text(view.payload) == "[1,[]]");
  CHECK(*cbor.decode_bytes("\x5F\x41\x01\x41\x02\xFF"s) == "\x01\x02");
  CHECK(*cbor.to_json_text("\x7F\x61\x61\x61\x62\xFF"s) == "\"ab\"");
  CHECK(*cbor.to_json_text("\xD8\x20\xF9\x3E\x00"s) == "1.5");
  CHECK_FALSE(cbor.decode("\xF7"s));   // undefined has no counterpart in JSON
  for (const std::string& bad : {"\xFF"s, "\x9F\x01"s, "\xBF\x61\x61\xFF"s, "\x81\xFF"s, "\x5F\x61\x61\xFF"s,
                                 "\x7F\x7F\xFF\xFF"s, "\x1F"s, "\x1C"s, "\xF8\x10"s, "\xC1"s, "\xC1\xFF"s}) {
    CHECK_FALSE(cbor.decode(bad));
    feed(cbor, bad);
  }
  ReplyView reply_view;
  REQUIRE(cbor.read_reply("\xA3\x62id\x61" "A\x63" "err\xF7\x6AisDisposed\xF9\x7E\x00"s, reply_view) == nullptr);
  CHECK((!reply_view.failed && !reply_view.last));   // undefined and NaN are falsy
}

TEST_CASE("msgpack: every kind of head") {
  const MsgpackSerializer msgpack;
  const std::string items = "\x05\xE0\xC0\xC2\xC3\xC4\x01x\xC5\x00\x01x\xC6\x00\x00\x00\x01x\xC7\x01\x05x\xC8\x00\x01\x05x"
                            "\xC9\x00\x00\x00\x01\x05x\xCA\x00\x00\x00\x00\xCB\x00\x00\x00\x00\x00\x00\x00\x00\xCC\x01"
                            "\xCD\x00\x01\xCE\x00\x00\x00\x01\xCF\x00\x00\x00\x00\x00\x00\x00\x01\xD0\x01\xD1\x00\x01"
                            "\xD2\x00\x00\x00\x01\xD3\x00\x00\x00\x00\x00\x00\x00\x01\xD4\x05x\xD5\x05xx\xD6\x05xxxx"
                            "\xD7\x05xxxxxxxx\xD8\x05xxxxxxxxxxxxxxxx\xA1x\xD9\x01x\xDA\x00\x01x\xDB\x00\x00\x00\x01x"
                            "\x91\x01\xDC\x00\x01\x01\xDD\x00\x00\x00\x01\x01\x81\xA1x\x01\xDE\x00\x01\xA1x\x01"
                            "\xDF\x00\x00\x00\x01\xA1x\x01\x90\x80"s;
  const auto value = msgpack.decode("\xDC\x00\x26"s + items);
  REQUIRE(value);
  CHECK(value->size() == 38);
  for (std::size_t size = 0; size < items.size(); ++size) feed(msgpack, "\xDC\x00\x26"s + items.substr(0, size));
}
