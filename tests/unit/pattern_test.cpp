#include <fstream>

#include "catch.hpp"
#include "ferry/detail/json_value.hpp"
#include "ferry/error.hpp"
#include "ferry/pattern.hpp"

using ferry::Pattern;
using nlohmann::json;

namespace {

json vectors() { return json::parse(std::ifstream(FERRY_VECTOR_DIR "/pattern-routes.json")); }

}  // namespace

TEST_CASE("patterns: every vector of routes") {
  const json all = vectors();
  REQUIRE(all["normalise"].size() >= 68);
  for (const json& each : all["normalise"]) {
    const auto text = each["inputJson"].get<std::string>();
    CAPTURE(text);
    const auto route = ferry::detail::route_of_json(text);
    REQUIRE(route.ok == (each["routeType"] == "string"));
    if (!route.ok) continue;
    CHECK(route.text == each["route"].get<std::string>());
    CHECK(Pattern::from_json(text).route() == each["route"].get<std::string>());
  }
}

TEST_CASE("patterns: every vector of lookups") {
  const json all = vectors();   // named: a range-for does not keep the whole alive for a part
  REQUIRE(all["lookup"].size() >= 29);
  for (const json& each : all["lookup"]) {
    const auto text = each["received"].get<std::string>();
    CAPTURE(text);
    const auto key = ferry::detail::lookup_key(text);
    REQUIRE(key.ok == (each["keyType"] == "string"));
    if (key.ok) CHECK(key.text == each["key"].get<std::string>());
  }
}

TEST_CASE("patterns: the order of ASCII keys") {
  const json order = vectors()["asciiCollation"];
  std::string previous;
  for (const json& point : order["orderCodePoints"]) {
    const std::string key(1, static_cast<char>(point.get<int>()));
    if (!previous.empty()) CHECK(ferry::detail::compare_keys(previous, key) < 0);
    previous = key;
  }
  for (const json& point : order["ignorableCodePoints"]) {
    CHECK(ferry::detail::compare_keys(std::string("a") + static_cast<char>(point.get<int>()) + "b", "ab") == 0);
  }
  CHECK(ferry::detail::compare_keys("a", "ab") < 0);
  CHECK(ferry::detail::compare_keys("aB", "Ab") < 0);
  CHECK(ferry::detail::compare_keys("10", "2") < 0);
}

TEST_CASE("patterns: how they are written in C++") {
  CHECK(Pattern("sum").json() == "\"sum\"");
  CHECK(Pattern(std::string("sum")).route() == "sum");
  CHECK(Pattern(7).json() == "7");
  CHECK(Pattern(1e21).route() == "1e+21");
  const Pattern one{{"cmd", "sum"}};
  CHECK(one.json() == R"({"cmd":"sum"})");
  CHECK(one.is_object());
  const Pattern two{{"b", 1}, {"a", true}};
  CHECK(two.json() == R"({"b":1,"a":true})");
  CHECK(two.route() == R"({"a":true,"b":1})");
  const Pattern three{{"x", nullptr}, {"y", 1.5}, {"z", "é"}};
  CHECK(three.route() == R"({"x":null,"y":1.5,"z":"é"})");
  CHECK(two == Pattern::from_json(R"({ "a" : true, "b" : 1.0 })"));
}

TEST_CASE("patterns: keys that collate equal keep JavaScript's order") {
  CHECK(ferry::detail::route_of_json(R"({"\u0001":1,"":2})").text == "{\"\x01\":1,\"\":2}");
  CHECK(ferry::detail::route_of_json(R"({"\u00011":1,"1":2})").text == "{\"1\":2,\"\x01" "1\":1}");   // an index is listed first
}

TEST_CASE("patterns: numbers that no double holds are null") {
  CHECK_FALSE(ferry::detail::route_of_json("1e999").ok);
  CHECK(ferry::detail::lookup_key(R"({"a":-1e999})").text == R"({"a":null})");
  CHECK(ferry::detail::lookup_key("\"null\"").ok);
}

TEST_CASE("patterns: a peer's object may have any number of members") {
  std::string text = "{";
  for (int i = 0; i < 300'000; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  text += "\"k0\":2}";
  // At once: a tree with its keys in a list took minutes.
  CHECK(ferry::detail::lookup_key(text).text == "[TOO_MANY_KEYS]");
  CHECK(ferry::detail::lookup_key(R"({"a":1,"a":[{}],"b":"\"","a":{"a":[]}})").text == R"({"a":{"a":{}},"b":"\""})");
}

TEST_CASE("patterns: what cannot work on the wire is refused") {
  for (const char* text : {"true", "null", "{", "", "{} x", "\"\\x\""}) {
    CAPTURE(text);
    CHECK_THROWS_AS(Pattern::from_json(text), ferry::Error);
  }
}
