#include <fstream>

#include "catch.hpp"
#include "ferry/detail/json_value.hpp"

using namespace ferry::detail;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

template <class T>
std::string text_of(const T& value) {
  std::string out;
  write_json(out, value);
  return out;
}

template <class T>
std::optional<T> parse(std::string_view text) {
  JsonReader reader(text);
  T out{};
  if (!read_json(reader, out) || !reader.at_end()) return std::nullopt;
  return out;
}

}  // namespace

TEST_CASE("json: every vector of text") {
  const json all = json::parse(std::ifstream(FERRY_VECTOR_DIR "/json-text.json"));
  REQUIRE(all["vectors"].size() >= 18);
  for (const json& each : all["vectors"]) {
    CAPTURE(each["name"].get<std::string>());
    const auto value = parse<ordered_json>(each["inputJson"].get<std::string>());
    REQUIRE(value);
    CHECK(text_of(*value) == each["text"].get<std::string>());
    CHECK(text_of(*value).size() == each["utf8Bytes"].get<std::size_t>());
  }
  CHECK(text_of(std::numeric_limits<double>::quiet_NaN()) == "null");
  CHECK(text_of(std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("json: numbers as ECMAScript writes them") {
  struct { double value; const char* text; } const cases[] = {
      {6, "6"}, {-0.0, "0"}, {0.1, "0.1"}, {123456789012345680000.0, "123456789012345680000"}, {1e21, "1e+21"},
      {1.5e300, "1.5e+300"}, {1e-6, "0.000001"}, {1e-7, "1e-7"}, {-1.25e-9, "-1.25e-9"}, {100, "100"}, {-2.5, "-2.5"}};
  for (const auto& each : cases) {
    CHECK(text_of(each.value) == each.text);
    CHECK(*parse<double>(each.text) == each.value);
  }
  CHECK(text_of(0.1F) == "0.1");
  CHECK(text_of(std::uint64_t{18446744073709551615U}) == "18446744073709551615");
}

TEST_CASE("json: what JSON.parse refuses is refused") {
  for (const char* text : {"", " ", "[1,]", "{,}", "[1 2]", "{\"a\":1,}", "01", "1.", ".5", "+1", "-", "1e", "nul", "True",
                           "\"\\x\"", "\"\\u12g4\"", "\"a", "\"\n\"", "[", "{", "{\"a\"", "{\"a\":", "{a:1}", "'a'", "1 2",
                           "[1]]", "\xef\xbb\xbf{}"}) {
    CAPTURE(text);
    CHECK_FALSE(is_json(text));
    CHECK_FALSE(parse<json>(text));
  }
  for (const char* text : {"0", "-0", "1.5e-3", " [ ] ", "{}", "\"\\ud83d\"", "[[[]]]", "{\"a\":{\"b\":[1,{}]}}", "null"}) {
    CAPTURE(text);
    CHECK(is_json(text));
    CHECK(parse<json>(text));
  }
}

TEST_CASE("json: nesting is limited, not a stack overflow") {
  CHECK(is_json(std::string(1000, '[') + std::string(1000, ']')));
  CHECK_FALSE(is_json(std::string(1001, '[') + std::string(1001, ']')));
  CHECK_FALSE(is_json(std::string(10000000, '[')));
  CHECK_FALSE(parse<json>(std::string(1001, '[') + std::string(1001, ']')));
}

TEST_CASE("json: straight to a type, or not at all") {
  CHECK(*parse<std::vector<double>>("[1, 2.5 ,3]") == std::vector<double>{1, 2.5, 3});
  CHECK((*parse<std::array<int, 2>>("[1,2]") == std::array<int, 2>{1, 2}));
  CHECK_FALSE(parse<std::array<int, 2>>("[1]"));
  CHECK_FALSE(parse<std::array<int, 2>>("[1,2,3]"));
  CHECK(*parse<std::map<std::string, int>>(R"({"a":1,"\u0062":2})") == std::map<std::string, int>{{"a", 1}, {"b", 2}});
  CHECK(parse<std::optional<int>>("null")->has_value() == false);
  CHECK(*parse<std::optional<int>>("3") == 3);
  CHECK(*parse<int>("1e3") == 1000);
  CHECK(*parse<int>("7.0") == 7);
  CHECK_FALSE(parse<int>("1.5"));
  CHECK_FALSE(parse<std::int8_t>("128"));
  CHECK(*parse<std::int8_t>("-128") == -128);
  CHECK_FALSE(parse<unsigned>("-1"));
  CHECK(*parse<std::int64_t>("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK_FALSE(parse<std::int64_t>("9223372036854775808"));
  CHECK_FALSE(parse<std::uint64_t>("18446744073709551616"));
  CHECK_FALSE(parse<std::string>("1"));
  CHECK_FALSE(parse<bool>("0"));
  CHECK_FALSE(parse<double>("\"1\""));
  CHECK(*parse<double>("1e400") == std::numeric_limits<double>::infinity());
  CHECK(*parse<double>("1e-400") == 0);
}

TEST_CASE("json: numbers beyond double are infinity or zero by all of their text") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string zeros(400, '0');
  CHECK(*parse<double>("1" + zeros) == infinity);
  CHECK(*parse<double>("-1" + zeros + ".5") == -infinity);
  CHECK(*parse<double>("1" + zeros + "e-1") == infinity);   // still 1e399
  CHECK(*parse<double>("1" + zeros + "e-400") == 1);
  CHECK(*parse<double>("0." + zeros + "1") == 0);
  CHECK(*parse<double>("0." + zeros + "1e1") == 0);
  CHECK(*parse<double>("0." + zeros + "1e+401") == 1);
  CHECK(*parse<double>("0." + zeros + "1e1000") == infinity);
  CHECK(*parse<double>("1e+99999999999999999999") == infinity);
  CHECK(*parse<double>("12.5E-99999999999999999999") == 0);
  CHECK(std::signbit(*parse<double>("-1e-400")));
}

TEST_CASE("json: truthiness is JavaScript's") {
  for (const char* text : {"null", "false", "0", "-0", "0.0", "0e5", "-0.0E-2", "\"\""}) CHECK_FALSE(is_truthy_json(text));
  for (const char* text : {"true", "1", "-1", "0.1", "1e-9", "\"0\"", "\" \"", "{}", "[]"}) CHECK(is_truthy_json(text));
}

TEST_CASE("json: a skipped value is its exact text") {
  JsonReader reader(R"( {"a" : [1, {"b":"]"}] , "c":2})");
  bool first = true;
  std::string_view key;
  bool escaped = false;
  REQUIRE(reader.begin_object());
  REQUIRE(reader.next_member(first, key, escaped));
  std::string_view span;
  REQUIRE(reader.skip_value(span));
  CHECK(span == R"([1, {"b":"]"}])");
  REQUIRE(reader.next_member(first, key, escaped));
  CHECK(key == "c");
}

TEST_CASE("json: strings that are no UTF-8 become text") {
  CHECK(text_of(std::string("a\xff")) == "\"a\xef\xbf\xbd\"");
  CHECK(text_of(std::string("\xed\xa0\xbd x")) == "\"\\ud83d x\"");
}
