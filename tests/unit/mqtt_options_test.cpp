// transports/mqtt: options, URLs, records.

#include <fstream>
#include <sstream>

#include "catch.hpp"
#include "ferry/error.hpp"
#include "ferry_test_paths.hpp"
#include "refusal.hpp"
#include "transports/mqtt/options.hpp"
#include "transports/mqtt/properties.hpp"

namespace {

using namespace ferry;
using test::refusal;
using namespace std::chrono_literals;
using nlohmann::json;

mqtt::ServerSettings service(const json& options, bool at_least_once = false) {
  spi::ServerEnvironment environment;
  environment.name = "math";
  environment.options = spi::Options::parse(options, mqtt::server_option_table(), {"app.json", "/services/math/options"});
  environment.at_least_once = at_least_once;
  return mqtt::server_settings(environment);
}

mqtt::ClientSettings client(const json& options) {
  spi::ClientEnvironment environment;
  environment.options = spi::Options::parse(options, mqtt::client_option_table(), {"app.json", "/clients/MATH/options"});
  return mqtt::client_settings(environment);
}

std::string refusal(const json& options, bool at_least_once = false) {
  return refusal([&] { return service(options, at_least_once); });
}

TEST_CASE("mqtt: options as NestJS has them", "[mqtt]") {
  const auto usual = client(json::object());
  CHECK(usual.access.connect.version == mqtt::Version::v3_1_1);
  CHECK(usual.access.connect.clean);
  CHECK(usual.access.connect.keep_alive == 60);
  CHECK(usual.access.connect.client_id.starts_with("ferry_"));
  CHECK(usual.access.connect.client_id.size() <= 23);
  CHECK(usual.access.places.front().host == "localhost");
  CHECK(usual.access.places.front().port == 1883);
  CHECK(usual.access.connect_timeout == 30s);
  const auto with = client({{"url", "mqtt://u:p%40@h:1"}, {"protocolVersion", 5}, {"userProperties", {{"glob", "g"}}}, {"qos", 1},
                            {"will", {{"topic", "gone"}, {"payload", "x"}, {"qos", 1}, {"properties", {{"willDelayInterval", 3}}}}}});
  CHECK(with.access.connect.username == "u");
  CHECK(with.access.connect.password == "p@");
  CHECK(with.access.connect.will->properties == std::string("\x18\0\0\0\3", 5));
  CHECK(with.user_properties.get("glob") == "g");
  CHECK(with.access.url == "mqtt://h:1");
  CHECK(client({{"servers", {{{"host", "a"}}, {{"host", "b"}, {"port", 7}}}}}).access.places.size() == 2);
  CHECK(service({{"subscribeOptions", {{"qos", 2}}}}).subscribe.qos == 2);
}

TEST_CASE("mqtt: wrong options are refused by name", "[mqtt]") {
  CHECK(refusal(json::object()).empty());
  CHECK_THAT(refusal({{"url", "http://h"}}), Catch::Contains("/url") && Catch::Contains("mqtt://"));
  CHECK_THAT(refusal({{"url", "ws://h"}}), Catch::Contains("WebSocket"));
  CHECK_THAT(refusal({{"url", "mqtt://h/x"}}), Catch::Contains("/url"));
  CHECK_THAT(refusal({{"servers", json::array()}}), Catch::Contains("/servers"));
  CHECK_THAT(refusal({{"ca", "x.pem"}}), Catch::Contains("mqtts://"));   // it would do nothing
  CHECK_THAT(refusal({{"url", "mqtts://h"}, {"ca", "none.pem"}}), Catch::Contains("none.pem"));
  CHECK_THAT(refusal({{"clean", false}}), Catch::Contains("clientId"));
  CHECK_THAT(refusal({{"properties", {{"sessionExpiryInterval", 1}}}}), Catch::Contains("\"protocolVersion\": 5"));
  CHECK_THAT(refusal({{"subscribeOptions", {{"nl", true}}}}), Catch::Contains("\"protocolVersion\": 5"));
  CHECK_THAT(refusal({{"will", {{"topic", "a/#"}}}}), Catch::Contains("/will/topic"));
  CHECK_THAT(refusal({{"will", {{"payload", "x"}}}}), Catch::Contains("topic"));
  CHECK_THAT(refusal({{"password", "x"}}), Catch::Contains("username"));
  CHECK_THAT(refusal({{"group", "a/b"}}), Catch::Contains("/group"));
  CHECK_THAT(refusal({{"maxDeliver", 3}}), Catch::Contains("at-least-once"));
  CHECK_THAT(refusal({{"keepalive", 70000}}), Catch::Contains("/keepalive"));
  CHECK_THAT(refusal({{"protocolVersion", 3}}), Catch::Contains("/protocolVersion"));
  CHECK_THAT(refusal([] { return client({{"userProperties", {{"a", "b"}}}}); }), Catch::Contains("\"protocolVersion\": 5"));
}

TEST_CASE("mqtt: at-least-once needs a session that lasts", "[mqtt]") {
  const auto settings = service({{"clientId", "math-1"}}, true);
  CHECK_FALSE(settings.access.connect.clean);
  CHECK(settings.access.session_lasts);
  CHECK(settings.subscribe.qos == 1);
  CHECK(settings.dead_letter == "dead/");
  CHECK_THAT(refusal(json::object(), true), Catch::Contains("clientId") && Catch::Contains("at-least-once"));
  CHECK_THAT(refusal({{"clientId", "a"}, {"clean", true}}, true), Catch::Contains("/clean"));
  CHECK_THAT(refusal({{"clientId", "a"}, {"subscribeOptions", {{"qos", 0}}}}, true), Catch::Contains("QoS 0"));
  CHECK_THAT(refusal({{"clientId", "a"}, {"protocolVersion", 5}, {"properties", {{"sessionExpiryInterval", 0}}}}, true),
             Catch::Contains("sessionExpiryInterval"));
  CHECK_THAT(refusal({{"clientId", "a"}, {"deadLetter", "a/#"}}, true), Catch::Contains("/deadLetter"));
  // As 3.1.1's: for ever.
  const auto five = service({{"clientId", "a"}, {"protocolVersion", 5}}, true);
  mqtt::Property found;
  REQUIRE(mqtt::find_property(five.access.connect.properties, mqtt::PropertyId::session_expiry, found));
  CHECK(found.number == 0xffffffff);
}

TEST_CASE("mqtt: what the options promise", "[mqtt]") {
  const auto of_client = [](const json& options) {
    return mqtt::promises_of(spi::Options::parse(options, mqtt::client_option_table(), {}));
  };
  const auto of_service = [](const json& options) {
    return mqtt::promises_of(spi::Options::parse(options, mqtt::server_option_table(), {}));
  };
  CHECK_FALSE(of_client(json::object()).confirmed);
  CHECK(of_client({{"qos", 2}}).confirmed);
  CHECK_FALSE(of_client({{"qos", 2}, {"protocolVersion", 5}}).unheard);
  CHECK(of_client({{"qos", 1}, {"protocolVersion", 5}}).unheard);
  CHECK(of_client({{"qos", 1}, {"clean", false}}).kept);
  CHECK(of_service({{"group", "g"}}).shared);
}

TEST_CASE("mqtt: how often to reconnect", "[mqtt]") {
  const auto policy = [](const json& options) {
    return mqtt::reconnect_policy(spi::Options::parse(options, mqtt::client_option_table(), {}), {7, 1ms, 2ms});
  };
  CHECK(policy(json::object()).attempts == 7);
  CHECK(policy({{"reconnectPeriod", 50}}).backoff == 50ms);
  CHECK(policy({{"reconnectPeriod", 50}}).max_backoff == 50ms);
  CHECK(policy({{"reconnectPeriod", 0}}).attempts == 0);
}

TEST_CASE("mqtt: options out of a URL", "[mqtt]") {
  CHECK(mqtt::options_from_url("mqtt://math") == json{{"url", "mqtt://math:1883"}});
  CHECK(mqtt::options_from_url("mqtts://u:p%40@[::1]?ca=a.pem&subscribeOptions.qos=1") ==
        json{{"url", "mqtts://[::1]:8883"}, {"username", "u"}, {"password", "p@"}, {"ca", "a.pem"}, {"subscribeOptions", {{"qos", "1"}}}});
  for (const char* url : {"http://h", "mqtt://", "mqtt://h:x", "mqtt://h/p", "mqtt://h?url=x", "tcp://h", "mqtt://h?a=1&a.b=2"}) {
    INFO(url);
    CHECK_THROWS_AS(mqtt::options_from_url(url), ConfigError);
  }
}

TEST_CASE("mqtt: what a message asks for itself", "[mqtt]") {
  mqtt::Record record;
  Failure failure;
  REQUIRE(mqtt::read_record({{"qos", 2}, {"retain", true}, {"properties", {{"contentType", "x"}, {"userProperties", {{"a", "b"}}}}}},
                            mqtt::Version::v5, record, failure));
  CHECK(record.qos == 2);
  CHECK(record.retain);
  CHECK(record.properties == std::string("\3\0\1x", 4));
  CHECK(record.user_properties.get("a") == "b");
  for (const json& bad : {json{{"qos", 3}}, json{{"retian", true}}, json("x"), json{{"properties", {{"contentType", "x"}}}},
                          json{{"properties", {{"responseTopic", "a/+"}}}}}) {
    CHECK_FALSE(mqtt::read_record(bad, mqtt::Version::v3_1_1, record, failure));
    CHECK(failure.code == errc::unsupported);
    CHECK(failure.fate == Fate::not_sent);
  }
}

TEST_CASE("mqtt: the README has the options as they are", "[mqtt]") {
  std::ifstream file(FERRY_TESTS_DIR "/../transports/mqtt/README.md");
  std::ostringstream text;
  text << file.rdbuf();
  CHECK_THAT(text.str(), Catch::Contains(spi::to_markdown(mqtt::server_option_table())));
  CHECK_THAT(text.str(), Catch::Contains(spi::to_markdown(mqtt::client_option_table())));
}

}  // namespace
