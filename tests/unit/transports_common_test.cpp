// What the transports share: URLs, and messages as a broker brings them.

#include "catch.hpp"
#include "ferry/error.hpp"
#include "serializers/json/json_serializer.hpp"
#include "transports/common/broker_message.hpp"
#include "transports/common/url.hpp"

using namespace ferry;
using namespace ferry::transports;
using Catch::Contains;

namespace {

constexpr Url::Form form{.examples = "write x://host:port"};

std::string refusal(std::string_view url) {
  try {
    Url::parse(url, form);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "taken";
}

struct Read {
  const char* fault;
  spi::RequestView view;
};

class Messages {
 public:
  Read read(std::string_view body, Unreadable unreadable = Unreadable::is_text) {
    Read result{};
    result.fault = read_broker_message(serializer_, body, "a.route", unreadable, result.view, scratch_);
    return result;
  }

 private:
  serializers::JsonSerializer serializer_;
  std::string scratch_;
};

}  // namespace

TEST_CASE("url: all its parts") {
  const Url url = Url::parse("rediss://us%65r:p%40ss@[::1]:6380/3?a=1&b=%26x", form);
  CHECK(url.scheme == "rediss");
  CHECK(url.user == "user");
  CHECK(url.password == "p@ss");
  CHECK(url.host == "::1");
  CHECK(url.port == 6380);
  CHECK(url.path == "/3");
  CHECK(url.query == std::vector<std::pair<std::string, std::string>>{{"a", "1"}, {"b", "&x"}});
  const Url plain = Url::parse("nats://host", form);
  CHECK(plain.host == "host");
  CHECK_FALSE(plain.port);
  CHECK(plain.path.empty());
  const Url token = Url::parse("nats://token@host:1", form);
  CHECK(token.user == "token");
  CHECK(token.password.empty());
  CHECK(Url::parse("redis+unix:///run/r.sock?db=1", {.authority = false, .examples = ""}).path == "/run/r.sock");
}

TEST_CASE("url: refused with the reason, without the password") {
  CHECK_THAT(refusal("host:1"), Contains("no scheme") && Contains("write x://host:port"));
  CHECK_THAT(refusal("x://"), Contains("names no host"));
  CHECK_THAT(refusal("x://h:99999"), Contains("\"99999\" is no port"));
  CHECK_THAT(refusal("x://h:1?a"), Contains("\"a\" has no value"));
  CHECK_THAT(refusal("x://h%2"), Contains("two hexadecimal digits"));
  CHECK_THAT(refusal("x://[::1"), Contains("between [ and ]"));
  CHECK_THAT(refusal("x://u:secret@h:z/"), Contains("u:***@h:z") && !Contains("secret"));
}

TEST_CASE("broker message: envelopes keep everything but their pattern") {
  Messages messages;
  const Read request = messages.read(R"({"pattern":"other","data":[1],"id":"7"})");
  REQUIRE(request.fault == nullptr);
  CHECK(request.view.pattern == "a.route");
  CHECK(request.view.pattern_form == spi::RequestView::PatternForm::text);
  CHECK(request.view.payload == "[1]");
  CHECK(request.view.has_id);
  const Read event = messages.read(R"({"pattern":"other"})");
  CHECK_FALSE(event.view.has_id);
  CHECK_FALSE(event.view.has_payload);
}

TEST_CASE("broker message: what is no envelope is an event with all of it") {
  Messages messages;
  for (const std::string_view body : {R"({"id":"7","x":1})", "[1,2]", "5", "null", "false", "\"text\"", "{}", "0"}) {
    CAPTURE(std::string(body));
    const Read read = messages.read(body, Unreadable::is_an_error);
    REQUIRE(read.fault == nullptr);
    CHECK_FALSE(read.view.has_id);
    CHECK(read.view.payload == body);
    CHECK(read.view.pattern == "a.route");
  }
}

TEST_CASE("broker message: a body that is no JSON") {
  Messages messages;
  CHECK(messages.read("not json", Unreadable::is_an_error).fault != nullptr);
  CHECK(messages.read("not \"json\"").view.payload == R"("not \"json\"")");
  CHECK(messages.read("").view.payload == R"("")");
  CHECK(messages.read("bad \xFF").view.payload == "\"bad \xEF\xBF\xBD\"");
  const Read repaired = messages.read("{\"pattern\":1,\"data\":\"\xFF\"}", Unreadable::is_an_error);
  REQUIRE(repaired.fault == nullptr);
  CHECK(repaired.view.payload == "\"\xEF\xBF\xBD\"");
}
