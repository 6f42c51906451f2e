#include <ferry/spi/options.hpp>

#include <array>
#include <stdexcept>

#include <ferry/error.hpp>

#include "catch.hpp"

using namespace ferry;
using namespace ferry::spi;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr Option tls_members[] = {
    {.name = "ca", .kind = OptionKind::string, .doc = "file with the CA"},
    {.name = "verify", .kind = OptionKind::boolean, .fallback = "true"},
};
constexpr Option table[] = {
    {.name = "host", .kind = OptionKind::string, .fallback = "\"localhost\"", .doc = "where to connect"},
    {.name = "port", .kind = OptionKind::integer, .fallback = "3000", .min = 0, .max = 65535},
    {.name = "ratio", .kind = OptionKind::number, .min = 0, .max = 1},
    {.name = "noAck", .kind = OptionKind::boolean, .fallback = "true"},
    {.name = "wait", .kind = OptionKind::duration, .fallback = "\"2s\"", .min = 1, .max = 3'600'000},
    {.name = "buffer", .kind = OptionKind::size, .fallback = "\"64KiB\"", .max = 1 << 20},
    {.name = "servers", .kind = OptionKind::strings},
    {.name = "mode", .kind = OptionKind::string, .choices = "fast|safe"},
    {.name = "tls", .kind = OptionKind::object, .members = tls_members},
    {.name = "labels", .kind = OptionKind::map_of_strings},
    {.name = "native", .kind = OptionKind::any},
    {.name = "big", .kind = OptionKind::integer},
    {.name = "count", .kind = OptionKind::integer, .min = 1},
    {.name = "below", .kind = OptionKind::integer, .max = 9},
};
constexpr Option required_table[] = {{.name = "url", .kind = OptionKind::string, .required = true}};

const ConfigPlace here{"math.json", "/services/math/options"};

Options parse(const json& value) { return Options::parse(value, table, here); }

template <class E = ConfigError, class F>
std::string text_of(F function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string error_of(const json& value) {
  return text_of([&] { parse(value); });
}

// The text behind "math.json: /services/math/options/<name>: " for one wrong value.
std::string wrong(const std::string& name, const json& value) {
  const std::string text = error_of(json{{name, value}});
  const std::string start = "math.json: /services/math/options/" + name + ": ";
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

std::chrono::milliseconds duration(const json& value) { return parse_duration(value, here); }
std::size_t size(const json& value) { return parse_size(value, here); }

}  // namespace

TEST_CASE("defaults stand where nothing is given", "[options]") {
  const Options options = parse(nullptr);
  CHECK(options.string("host") == "localhost");
  CHECK(options.integer("port") == 3000);
  CHECK(options.boolean("noAck"));
  CHECK(options.duration("wait") == 2s);
  CHECK(options.size("buffer") == 65536);
  CHECK(options.has("port"));
  CHECK_FALSE(options.given("port"));
  CHECK_FALSE(options.has("servers"));
  CHECK(options.strings("servers").empty());
  CHECK(options.map_of_strings("labels").empty());
  CHECK(options.string("mode").empty());
  CHECK(options.any("native").is_null());
}

TEST_CASE("values are read as their kind", "[options]") {
  const Options options = parse({{"port", 4000},
                                 {"ratio", 0.5},
                                 {"noAck", false},
                                 {"wait", 250},
                                 {"buffer", 1024},
                                 {"servers", {"a", "b"}},
                                 {"mode", "safe"},
                                 {"labels", {{"a", "1"}}},
                                 {"native", {{"x", {1, 2}}}}});
  CHECK(options.integer("port") == 4000);
  CHECK(options.number("ratio") == 0.5);
  CHECK_FALSE(options.boolean("noAck"));
  CHECK(options.duration("wait") == 250ms);
  CHECK(options.size("buffer") == 1024);
  CHECK(options.strings("servers") == std::vector<std::string>{"a", "b"});
  CHECK(options.string("mode") == "safe");
  CHECK(options.map_of_strings("labels") == std::map<std::string, std::string>{{"a", "1"}});
  CHECK(options.any("native") == json{{"x", {1, 2}}});
  CHECK(options.given("port"));
  CHECK(parse({{"servers", "a"}}).strings("servers") == std::vector<std::string>{"a"});
  CHECK(parse({{"port", 4e3}}).integer("port") == 4000);
  CHECK(parse({{"ratio", 1}}).number("ratio") == 1.0);
}

TEST_CASE("a string that holds a number or boolean is one where the table says so", "[options]") {
  const Options options = parse({{"port", "4000"}, {"ratio", "0.25"}, {"noAck", "false"}, {"wait", "1500"},
                                 {"buffer", "512"}, {"host", "1234"}, {"native", "7"}});
  CHECK(options.integer("port") == 4000);
  CHECK(options.number("ratio") == 0.25);
  CHECK_FALSE(options.boolean("noAck"));
  CHECK(options.duration("wait") == 1500ms);
  CHECK(options.size("buffer") == 512);
  CHECK(options.string("host") == "1234");
  CHECK(options.any("native") == "7");
  CHECK_THROWS_AS(parse({{"port", std::string("4000\0x", 6)}}), ConfigError);
}

TEST_CASE("an unknown key names the nearest one", "[options]") {
  const std::string known =
      "Known here: host, port, ratio, noAck, wait, buffer, servers, mode, tls, labels, native, big, count, below";
  CHECK(error_of({{"prot", 1}}) ==
        "math.json: /services/math/options/prot: unknown key \"prot\"; did you mean \"port\"? " + known);
  CHECK(error_of({{"NOACK", true}}) ==
        "math.json: /services/math/options/NOACK: unknown key \"NOACK\"; did you mean \"noAck\"? " + known);
  CHECK(error_of({{"a/b~", 1}}) == "math.json: /services/math/options/a~1b~0: unknown key \"a/b~\"; " + known);
  CHECK(error_of({{"tls", {{"verfy", true}}}}) ==
        "math.json: /services/math/options/tls/verfy: unknown key \"verfy\"; did you mean \"verify\"? "
        "Known here: ca, verify");
  CHECK(text_of([] { Options::parse({{"x", 1}}, {}, {"<code>", ""}); }) ==
        "<code>: /x: unknown key \"x\"; No keys are known here");
}

TEST_CASE("a missing value and a wrong object are told", "[options]") {
  CHECK(text_of([] { Options::parse(json::object(), required_table, here); }) ==
        "math.json: /services/math/options: \"url\" is missing; add it: a string");
  CHECK(error_of(json::array()) == "math.json: /services/math/options: found an array, expected an object");
  CHECK(text_of([] { Options::parse(3, table, {"math.json", ""}); }) ==
        "math.json: found 3 (a number), expected an object");
}

TEST_CASE("a wrong number tells what was found and expected", "[options]") {
  CHECK(wrong("port", "abc") == "found \"abc\" (a string), expected an integer from 0 to 65535");
  CHECK(wrong("port", 70000) == "found 70000 (a number), expected an integer from 0 to 65535");
  CHECK(wrong("port", "70000") == "found \"70000\" (a string), expected an integer from 0 to 65535");
  CHECK(wrong("port", -1) == "found -1 (a number), expected an integer from 0 to 65535");
  CHECK(wrong("port", 1.5) == "found 1.5 (a number), expected an integer from 0 to 65535");
  CHECK(wrong("port", true) == "found true (a boolean), expected an integer from 0 to 65535");
  CHECK(wrong("port", nullptr) == "found null, expected an integer from 0 to 65535");
  CHECK(wrong("port", json::object()) == "found an object, expected an integer from 0 to 65535");
  CHECK(wrong("big", 18446744073709551615U) == "found 18446744073709551615 (a number), expected an integer");
  CHECK(wrong("big", 1e300) == "found 1e+300 (a number), expected an integer");
  CHECK(wrong("count", 0) == "found 0 (a number), expected an integer of at least 1");
  CHECK(wrong("below", 10) == "found 10 (a number), expected an integer of at most 9");
  CHECK(wrong("ratio", 1.5) == "found 1.5 (a number), expected a number from 0 to 1");
  CHECK(wrong("ratio", "x") == "found \"x\" (a string), expected a number from 0 to 1");
}

TEST_CASE("another wrong value tells what was found and expected", "[options]") {
  CHECK(wrong("noAck", 1) == "found 1 (a number), expected true or false");
  CHECK(wrong("noAck", "yes") == "found \"yes\" (a string), expected true or false");
  CHECK(wrong("host", 5) == "found 5 (a number), expected a string");
  CHECK(wrong("mode", "slow") == "found \"slow\" (a string), expected one of \"fast\", \"safe\"");
  CHECK(wrong("mode", "sfae") ==
        "found \"sfae\" (a string), expected one of \"fast\", \"safe\"; did you mean \"safe\"?");
  CHECK(wrong("servers", 5) == "found 5 (a number), expected an array of strings");
  CHECK(wrong("tls", true) == "found true (a boolean), expected an object");
  CHECK(wrong("labels", "a") == "found \"a\" (a string), expected an object whose values are strings");
  CHECK(error_of({{"servers", {"a", 5}}}) ==
        "math.json: /services/math/options/servers/1: found 5 (a number), expected a string");
  CHECK(error_of({{"labels", {{"a", 1}}}}) ==
        "math.json: /services/math/options/labels/a: found 1 (a number), expected a string");
  CHECK(wrong("wait", "2h") ==
        "found \"2h\" (a string), expected a duration (\"250ms\", \"2s\", \"1m\", \"1h\", or milliseconds) "
        "from 1ms to 1h");
  CHECK(wrong("buffer", "2MiB") ==
        "found \"2MiB\" (a string), expected a size (\"64KiB\", \"1MiB\", \"1GiB\", or bytes) of at most 1MiB");
}

TEST_CASE("a long value is cut, and never inside a character", "[options]") {
  const std::string text = wrong("port", std::string(78, 'x') + "\xC3\xA4" + std::string(1000, 'y'));
  CHECK(text == "found \"" + std::string(78, 'x') + "... (a string), expected an integer from 0 to 65535");
}

TEST_CASE("a ConfigError has its code and nothing was sent", "[options]") {
  try {
    parse({{"port", "abc"}});
    FAIL("nothing was thrown");
  } catch (const ConfigError& error) {
    CHECK(error.code() == errc::bad_config);
    CHECK(error.fate() == Fate::not_sent);
  }
}

TEST_CASE("objects have defaults of their own", "[options]") {
  const Options given = parse({{"tls", {{"ca", "ca.pem"}}}}).object("tls");  // outlives the Options it came from
  CHECK(given.string("ca") == "ca.pem");
  CHECK(given.given("ca"));
  CHECK(given.boolean("verify"));
  CHECK_FALSE(given.given("verify"));
  CHECK(given.place("ca").text() == "math.json: /services/math/options/tls/ca");

  const Options plain = parse(json::object());
  CHECK_FALSE(plain.has("tls"));
  const Options absent = plain.object("tls");
  CHECK(absent.boolean("verify"));
  CHECK_FALSE(absent.given("ca"));
}

TEST_CASE("asking for what is not there is a programming error", "[options]") {
  const Options options = parse(json::object());
  const auto misuse = [](auto function) { return text_of<std::logic_error>(function); };
  CHECK(misuse([&] { options.integer("nope"); }) == "option \"nope\" is not in the table");
  CHECK(misuse([&] { options.has("nope"); }) == "option \"nope\" is not in the table");
  CHECK(misuse([&] { options.integer("host"); }) == "option \"host\" is of another kind");
  CHECK(misuse([&] { options.number("ratio"); }) ==
        "option \"ratio\" has no value and no default: ask has() first");
  CHECK(misuse([] { Options().string("host"); }) == "option \"host\" is not in the table");
}

TEST_CASE("a wrong default is a programming error", "[options]") {
  constexpr Option no_json[] = {{.name = "a", .kind = OptionKind::string, .fallback = "2s"}};
  constexpr Option wrong_kind[] = {{.name = "a", .kind = OptionKind::integer, .fallback = "\"x\""}};
  CHECK(text_of<std::logic_error>([&] { Options::parse({}, no_json, here); }) ==
        "the default of option \"a\" is no JSON: 2s");
  CHECK(text_of<std::logic_error>([&] { Options::parse({}, wrong_kind, here); }) ==
        "the default of option \"a\" breaks its own rules: math.json: /services/math/options/a: "
        "found \"x\" (a string), expected an integer");
}

TEST_CASE("durations", "[options]") {
  CHECK(duration("250ms") == 250ms);
  CHECK(duration("2s") == 2s);
  CHECK(duration("1.5s") == 1500ms);
  CHECK(duration("1.1s") == 1100ms);
  CHECK(duration("0.1h") == 6min);
  CHECK(duration("3m") == 3min);
  CHECK(duration("1h") == 1h);
  CHECK(duration("10 s") == 10s);
  CHECK(duration("0") == 0ms);
  CHECK(duration(0) == 0ms);
  CHECK(duration(30000) == 30s);
  CHECK(duration(1.5) == 2ms);
  CHECK(duration("0.0000001s") == 1ms);  // up: it must not become "no time"
  CHECK(duration("876000h") == 876000h);
}

TEST_CASE("what is no duration", "[options]") {
  const std::string wanted = ", expected a duration (\"250ms\", \"2s\", \"1m\", \"1h\", or milliseconds)";
  const auto check = [&](const json& value, const std::string& found, const std::string& limit = {}) {
    CHECK(text_of([&] { duration(value); }) == here.text() + ": found " + found + wanted + limit);
  };
  for (const char* const text : {"", "s", "-2s", "2d", "2S", "1.s", ".5s", "1.0000000001s", "2s ", " 2s", "1e3s"}) {
    check(text, json(text).dump() + " (a string)");
  }
  check(-5, "-5 (a number)");
  check(1e300, "1e+300 (a number)");
  check(true, "true (a boolean)");
  check(nullptr, "null");
  check("876001h", "\"876001h\" (a string)", " of at most 876000h");
  check("99999999999999999999s", "\"99999999999999999999s\" (a string)", " of at most 876000h");
  check(18446744073709551615U, "18446744073709551615 (a number)", " of at most 876000h");
}

TEST_CASE("sizes", "[options]") {
  CHECK(size("12B") == 12);
  CHECK(size("64KiB") == 65536);
  CHECK(size("1MiB") == 1048576);
  CHECK(size("1.5GiB") == 1610612736);
  CHECK(size("64KB") == 64000);
  CHECK(size("64kB") == 64000);
  CHECK(size("2MB") == 2000000);
  CHECK(size("1GB") == 1000000000);
  CHECK(size("0.1KiB") == 103);
  CHECK(size(4096) == 4096);
  CHECK(size("4096") == 4096);
}

TEST_CASE("what is no size", "[options]") {
  const std::string wanted = ", expected a size (\"64KiB\", \"1MiB\", \"1GiB\", or bytes)";
  const auto check = [&](const json& value, const std::string& found, const std::string& limit = {}) {
    CHECK(text_of([&] { size(value); }) == here.text() + ": found " + found + wanted + limit);
  };
  for (const char* const text : {"", "KiB", "-1KiB", "1kib", "1TiB", "1K"}) {
    check(text, json(text).dump() + " (a string)");
  }
  check(-1, "-1 (a number)");
  check(json::array(), "an array");
  check("9999999999GiB", "\"9999999999GiB\" (a string)", " of at most 4294967296GiB");
}

TEST_CASE("the nearest name", "[options]") {
  constexpr std::array<std::string_view, 4> names{"port", "host", "maxReconnectAttempts", "ca"};
  CHECK(nearest_name("prot", names) == "port");
  CHECK(nearest_name("hots", names) == "host");
  CHECK(nearest_name("HOST", names) == "host");
  CHECK(nearest_name("maxReconectAtempts", names) == "maxReconnectAttempts");
  CHECK(nearest_name("cb", names).empty());  // half of a two letter word is another word
  CHECK(nearest_name("timeout", names).empty());
  CHECK(nearest_name("", names).empty());
  CHECK(nearest_name(std::string(100'000, 'x'), names).empty());
}

TEST_CASE("places are JSON pointers", "[options]") {
  CHECK(ConfigPlace{"f", ""}.text() == "f");
  CHECK(ConfigPlace{"f", ""}.member("a").element(3).member("x/y~z").text() == "f: /a/3/x~1y~0z");
  CHECK(parse(json::object()).place("port").text() == "math.json: /services/math/options/port");
  CHECK(text_of([] { config_error({"f", "/a"}, "found it", "lose it"); }) == "f: /a: found it; lose it");
}

TEST_CASE("the table as a JSON Schema", "[options]") {
  const json schema = to_json_schema(table);
  CHECK(schema["type"] == "object");
  CHECK(schema["additionalProperties"] == false);
  CHECK_FALSE(schema.contains("required"));
  const json& properties = schema["properties"];
  CHECK(properties.size() == std::size(table));
  CHECK(properties["host"] == json{{"type", "string"}, {"default", "localhost"}, {"description", "where to connect"}});
  CHECK(properties["port"]["type"] == json{"integer", "string"});
  CHECK(properties["port"]["minimum"] == 0);
  CHECK(properties["port"]["maximum"] == 65535);
  CHECK(properties["port"]["default"] == 3000);
  CHECK(properties["noAck"]["type"] == json{"boolean", "string"});
  CHECK(properties["wait"]["default"] == "2s");
  CHECK(properties["wait"]["maximum"] == 3'600'000);
  CHECK(properties["buffer"]["minimum"] == 0);
  CHECK(properties["servers"] == json{{"type", {"array", "string"}}, {"items", {{"type", "string"}}}});
  CHECK(properties["mode"]["anyOf"][0] == json{{"enum", {"fast", "safe"}}});
  CHECK(properties["tls"]["properties"]["verify"]["default"] == true);
  CHECK(properties["tls"]["additionalProperties"] == false);
  CHECK(properties["labels"]["additionalProperties"] == json{{"type", "string"}});
  CHECK(properties["native"] == json::object());
  CHECK(to_json_schema(required_table)["required"] == json::array({"url"}));
}

TEST_CASE("the table as Markdown", "[options]") {
  constexpr Option small[] = {
      {.name = "port", .kind = OptionKind::integer, .fallback = "3000", .doc = "a|b", .min = 0, .max = 65535},
      {.name = "url", .kind = OptionKind::string, .doc = "where", .required = true},
      {.name = "mode", .kind = OptionKind::string, .choices = "fast|safe"},
      {.name = "tls", .kind = OptionKind::object, .members = tls_members},
  };
  CHECK(to_markdown(small) ==
        "| Option | Type | Default | What it does |\n"
        "| --- | --- | --- | --- |\n"
        "| `port` | integer from 0 to 65535 | `3000` | a\\|b |\n"
        "| `url` | string | required | where |\n"
        "| `mode` | one of \"fast\", \"safe\" |  |  |\n"
        "| `tls` | object |  |  |\n"
        "| `tls.ca` | string |  | file with the CA |\n"
        "| `tls.verify` | boolean | `true` |  |\n");
}
