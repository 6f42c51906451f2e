#include <ferry/config_check.hpp>

#include <nlohmann/json.hpp>

#include <ferry/config_schema.hpp>
#include <ferry/log.hpp>

#include "catch.hpp"
#include "delivery_contract.hpp"

using namespace ferry;
using nlohmann::json;

namespace {

/// Of `memory`, as if it were a broker that brings again what failed.
Grant order_of_redelivered(const json& more) {
  json value{{"transport", "memory"}};
  value.update(more);
  detail::ServiceConfig service = detail::read_service(Config::from_json(json::object()), "s", value, Plugins());
  service.settings.at_least_once = service.settings.promises.at_least_once = true;
  for (const Grant& grant : detail::grants_of(service)) {
    if (grant.need == needs::ordered_by_key) return grant;
  }
  return {};
}

}  // namespace

TEST_CASE("a config is checked without an application", "[config_check]") {
  const CheckedConfig checked = check_config(Config::from_json(
      {{"logLevel", "error"},
       {"services", {{"math", {{"transport", "memory"}, {"options", {{"name", "hall"}}}, {"maxConcurrency", 7}}}}},
       {"clients", {{"MATH", {{"url", "tcp://user-less.example:7"}, {"timeout", "2s"}, {"extensions", false}}}}}}));
  CHECK(checked.errors.empty());
  CHECK(checked.all_errors().empty());
  REQUIRE(checked.services.size() == 1);
  const CheckedPart& math = checked.services.front();
  CHECK(math.name == "math");
  REQUIRE(math.transport != nullptr);
  CHECK(math.transport->name() == "memory");
  CHECK(math.serializer == "json");
  CHECK(math.address == "memory://hall");
  CHECK(math.at_once == 7);
  CHECK_FALSE(math.at_least_once);
  REQUIRE(checked.clients.size() == 1);
  const CheckedPart& client = checked.clients.front();
  CHECK(client.address == "tcp://user-less.example:7");   // and nobody asked a name server
  CHECK(client.timeout == std::chrono::seconds(2));
  CHECK_FALSE(client.extensions);
}

TEST_CASE("a check finds an error in each part, and leaves the log as it is", "[config_check]") {
  const bool debug_before = log_enabled(LogLevel::debug);
  const CheckedConfig checked = check_config(Config::from_json(
      {{"logLevel", "debug"},
       {"threads", -1},
       {"services", {{"a", {{"transport", "memory"}, {"options", {{"nam", "x"}}}}}, {"b", {{"transport", "memory"}}}}},
       {"clients", {{"C", 7}}}},
      "app.json"));
  CHECK(log_enabled(LogLevel::debug) == debug_before);
  REQUIRE(checked.errors.size() == 1);
  CHECK(checked.errors.front() == "app.json: /threads: found -1 (a number), expected an integer from 0 to 1024");
  CHECK(checked.services.front().error ==
        "app.json: /services/a/options/nam: unknown key \"nam\"; did you mean \"name\"? Known here: name, maxQueue");
  CHECK(checked.services.back().error.empty());
  CHECK(checked.clients.front().error == "app.json: /clients/C: found 7 (a number), expected an object");
  CHECK(checked.all_errors().size() == 3);
}

TEST_CASE("order by key is granted to an at-least-once service only if what failed keeps its place", "[config_check]") {
  const json retry{{"attempts", 3}};
  CHECK(order_of_redelivered({{"orderBy", "/key"}, {"retry", retry}}).granted);
  const Grant without = order_of_redelivered({{"orderBy", "/key"}});
  CHECK_FALSE(without.granted);
  CHECK_THAT(without.why, Catch::Contains("behind those that came after it") && Catch::Contains("\"retry\" in the service gives it"));
  CHECK_THAT(order_of_redelivered({{"retry", retry}}).why, Catch::Contains("\"orderBy\": \"/key\" in the service gives it"));
}

TEST_CASE("addresses are for people, and without what stands in a URL's query", "[config_check]") {
  const auto address = [](const json& client) {
    const CheckedConfig checked = check_config(Config::from_json({{"clients", {{"C", client}}}}));
    return checked.clients.front().error + checked.clients.front().address;
  };
  CHECK(address({{"transport", "tcp"}}) == "tcp://localhost:3000");
  CHECK(address({{"url", "tcps://h:1?passphrase=secret"}}) == "tcps://h:1");
  CHECK(address({{"transport", "tcp"}, {"options", {{"host", "::1"}, {"port", 7}}}}) == "tcp://[::1]:7");
  CHECK(address({{"url", "tcp+unix:///run/math.sock"}}) == "tcp+unix:///run/math.sock");
  CHECK(address({{"transport", "memory"}}) == "memory://default");
}

TEST_CASE("the schema of a config holds the options of each transport", "[config_schema]") {
  const json schema = config_schema(Plugins());
  CHECK(schema["properties"]["services"]["additionalProperties"] == json{{"$ref", "#/$defs/service"}});
  CHECK(schema["$defs"]["tcp.client"]["properties"]["port"]["maximum"] == 65535);
  CHECK(schema["$defs"]["memory.service"]["properties"].contains("maxQueue"));
  CHECK(schema["$defs"]["service"]["required"] == json{"transport"});
}
