// ferry clients → NestJS services.

#include "../support/await.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "handlers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

/// A NestJS client refuses these before sending; ferry sends null and undefined, which NestJS services take.
bool refused_by_nest(const json& each) {
  const json& expect = each["expect"];
  return expect.contains("error") && expect["error"].is_object() &&
         expect["error"].value("$class", "") == "InvalidMessageException";
}

const char* const no_handler = "There is no matching message handler defined in the remote service.";

/// Behind a broker nobody is there to answer for an unknown pattern. NestJS waits, or has words of its own; to ferry's caller
/// it is the same as a service without that handler.
json expected_of(const json& each) {
  const json differs = each.value("expectOn", json::object());
  // NestJS's MQTT service stumbles over a topic that is JSON for something else than text, and does not answer.
  if (transport() == "mqtt" && each["name"] == "true") return {{"emitted", json::array()}, {"completed", false}, {"timeout", true}};
  if (transport() == "mqtt" && differs.contains("mqtt")) return differs["mqtt"];   // with QoS 0 nobody can tell
  if (differs.contains(transport())) return {{"emitted", json::array()}, {"completed", false}, {"error", no_handler}};
  return each["expect"];
}

/// What NestJS handlers that ask for metadata or headers are given: ferry's own is there until a ferry service has answered.
json without_own(json value) {
  if (!value.is_object() || value.erase("ferry-peer") == 0) return value;
  const bool metadata = transport() == "tcp" || transport() == "redis";
  return value.empty() && metadata ? json() : value;   // no metadata at all is null to them
}

SendOptions options_of(const json& each) {
  SendOptions options;
  if (each.contains("timeoutMs")) options.timeout(std::chrono::milliseconds(each["timeoutMs"].get<int>()));
  if (each.contains("record")) options.record(each["record"]);
  for (const char* kind : {"metadata", "headers"}) {
    if (!each.contains(kind)) continue;
    for (const auto& [name, value] : each[kind].items()) options.header(name, value.get<std::string>());
  }
  return options;
}

/// The outcome of a call in the form of cases.json.
json outcome_of(const Client& client, const json& each) {
  const Pattern pattern = Pattern::from_json(each["pattern"].dump());
  json outcome{{"emitted", json::array()}, {"completed", false}};
  try {
    if (each["kind"] == "emit") {
      client.emit(pattern, each["data"], options_of(each)).get();
      outcome["emitted"].push_back({{"$undefined", true}});
    } else {
      auto stream = client.stream<json>(pattern, each["data"], options_of(each));
      while (auto value = stream.next().get()) outcome["emitted"].push_back(without_own(std::move(*value)));
    }
    outcome["completed"] = true;
  } catch (const NoHandlerError&) {
    outcome["error"] = no_handler;
  } catch (const RpcError& error) {
    outcome["error"] = error.body();
  } catch (const TimeoutError&) {
    outcome["timeout"] = true;
  }
  return outcome;
}

}  // namespace

TEST_CASE("ferry client, NestJS service: every case") {
  if (!nest_is_installed()) return;
  Place place;
  const auto service = transport() == "rmq" ? start_nest_service(place) : start_nest_service(place, {"--wildcards"});
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  int checked = 0;
  for (const json& each : nest_cases()) {
    if (refused_by_nest(each)) continue;
    const std::string name = each["name"];
    CAPTURE(name);
    CHECK(outcome_of(client, each) == expected_of(each));
    if (each.contains("events")) {
      for (const json& event : each["events"]) {
        std::string line = "{\"event\":\"" + event["event"].get<std::string>() + "\"";
        if (event.contains("data")) {
          line += ",\"data\":";
          detail::write_dom(line, event["data"]);
        }
        CHECK_NOTHROW(service->line_of_stdout(line + "}"));   // throws if it never comes
      }
    }
    ++checked;
  }
  CHECK(checked >= 80);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("ferry client, NestJS service: null and missing data") {
  if (!nest_is_installed()) return;
  Place place;
  const auto service = start_nest_service(place);
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  CHECK(client.send<json>("echo", nullptr).get().is_null());
  client.send<void>("echo").get();
}

TEST_CASE("ferry client, NestJS service: it ends, and what was in flight with it") {
  FERRY_NOT_APPLICABLE_IF(transport() != "tcp", "a broker does not tell that a service has gone");
  if (!nest_is_installed()) return;
  Place place;
  const auto service = start_nest_service(place);
  Outcomes outcomes;
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  CHECK(client.send<double>({{"cmd", "sum"}}, std::array<int, 3>{1, 2, 3}).get() == 6);
  outcomes.start(client, client.send<int>("never", 1));
  CHECK(client.send<int>("echo", 1).get() == 1);   // the other request is there, then
  service->signal(SIGTERM);
  service->wait();
  REQUIRE(outcomes.reach(1));
  CHECK(outcomes.codes().front() == errc::connection_lost);
  CHECK_THROWS_AS(client.send<int>("echo", 1).get(), ConnectionError);
}

TEST_CASE("ferry client, NestJS service: 256 x 64 KiB at once") {
  if (!nest_is_installed()) return;
  Place place;
  const auto service = start_nest_service(place);
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  const std::string text(65536, 'x');
  Counter ended;
  std::atomic<int> right{0};
  constexpr int calls = 256;
  for (int i = 0; i < calls; ++i) {
    asio::co_spawn(client.loop().executor(), client.send<std::string>("echo", text),
                   [&](std::exception_ptr error, std::string got) {
                     if (!error && got == text) ++right;
                     ended.add();
                   });
  }
  REQUIRE(ended.reaches(calls));
  CHECK(right == calls);   // NestJS stops reading while its writes wait; ferry does not, so nothing locks up
}

TEST_CASE("ferry client, NestJS service: TLS") {
  FERRY_NOT_APPLICABLE_IF(transport() != "tcp", "peers of a broker do not see each other's TLS");
  if (!nest_is_installed()) return;
  const std::string& certs = certificates();
  const std::string key = certs + "/server.key";
  const std::string cert = certs + "/server.pem";
  const auto sum = [](Application app) {
    return app.client("NEST").send<double>({{"cmd", "sum"}}, std::array<int, 3>{1, 2, 3}).get();
  };
  const auto tls = [](json options) { return json{{"tlsOptions", std::move(options)}}; };
  {
    Place place;
    const auto service = start_nest_service(place, {"--tls-key", key, "--tls-cert", cert});
    CHECK(sum(ferry_client(place, tls({{"ca", certs + "/ca.pem"}}))) == 6);
    CHECK(sum(ferry_client(place, tls({{"ca", {certs + "/other-ca.pem", certs + "/ca.pem"}}}))) == 6);
    CHECK(sum(ferry_client(place, tls({{"rejectUnauthorized", false}}))) == 6);
    CHECK_THROWS_AS(sum(ferry_client(place, tls({{"ca", certs + "/other-ca.pem"}}))), ConnectionError);
    CHECK_THROWS_AS(sum(ferry_client(place, tls({{"ca", certs + "/ca.pem"}, {"servername", "example.org"}}))), ConnectionError);
  }
  {
    Place place;
    const auto service = start_nest_service(place, {"--tls-key", key, "--tls-cert", cert, "--tls-ca", certs + "/ca.pem"});
    const json ours{{"ca", certs + "/ca.pem"}, {"key", certs + "/client.key"}, {"cert", certs + "/client.pem"}};
    CHECK(sum(ferry_client(place, tls(ours))) == 6);
    CHECK_THROWS_AS(sum(ferry_client(place, tls({{"ca", certs + "/ca.pem"}}))), ConnectionError);
  }
}
