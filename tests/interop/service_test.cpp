// NestJS clients → ferry services.

#include <algorithm>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "handlers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

/// Cases whose handler needs what this version of ferry has no place for: exception filters that send any JSON as the error.
bool needs_filters(const std::string& name) { return name.starts_with("filter "); }

json expected_events() {
  json all = json::array();
  for (const json& each : nest_cases()) {
    if (each.contains("events")) all.insert(all.end(), each["events"].begin(), each["events"].end());
  }
  return all;
}

}  // namespace

TEST_CASE("NestJS client, ferry service: every case") {
  if (!nest_is_installed()) return;
  Place place;
  FerryService service(place, transport() == "redis" ? json{{"wildcards", true}} : json::object());
  json cases = json::array();
  for (json& each : nest_cases()) {
    if (!needs_filters(each["name"])) cases.push_back(std::move(each));
  }
  const ScratchDirectory scratch;
  scratch.write("cases.json", cases.dump());
  const auto lines = run_nest_client(place, {"--cases", scratch.path() + "/cases.json"});
  REQUIRE(lines.size() == cases.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string name = cases[i]["name"];
    json got = lines[i];
    got.erase("name");
    CAPTURE(name);
    CHECK(got == cases[i]["expect"]);
  }
  CHECK(lines.size() >= 80);
  const json events = expected_events();
  REQUIRE(service.heard.wait([&](const json& all) { return all.size() >= events.size(); }));
  json heard = service.heard.get();
  json expected = events;
  if (transport() == "nats") {   // its order holds within each subscription
    const auto by_name = [](const json& a, const json& b) { return a["event"] < b["event"]; };
    std::stable_sort(heard.begin(), heard.end(), by_name);
    std::stable_sort(expected.begin(), expected.end(), by_name);
  }
  CHECK(heard == expected);
}

TEST_CASE("NestJS client, ferry service: many at once") {
  if (!nest_is_installed()) return;
  Place place;
  const FerryService service(place);
  const auto lines = run_nest_client(place, {"--concurrent", "500", "--call", "{\"cmd\":\"sum\"}", "[1,2,3]"});
  CHECK(lines.at(0) == json{{"ok", 500}, {"failed", 0}});
}

TEST_CASE("NestJS client, ferry service: 256 x 64 KiB at once do not lock up") {
  if (!nest_is_installed()) return;
  Place place;
  const FerryService service(place);
  std::vector<std::string> arguments = place.nest_arguments();
  arguments.insert(arguments.end(), {"--timeout", "15000"});
  const Finished finished = start_nest("stall", std::move(arguments))->wait();
  REQUIRE(finished.code == 0);
  const json result = json::parse(finished.out);
  CHECK(result["ok"] == 256);
  CHECK(result["failed"] == 0);
}

TEST_CASE("NestJS client, ferry service: TLS") {
  FERRY_NOT_APPLICABLE_IF(transport() != "tcp", "peers of a broker do not see each other's TLS");
  if (!nest_is_installed()) return;
  const std::string& certs = certificates();
  const json mutual{{"tlsOptions",
                     {{"key", certs + "/server.key"},
                      {"cert", certs + "/server.pem"},
                      {"ca", certs + "/ca.pem"},
                      {"requestCert", true},
                      {"rejectUnauthorized", true}}}};
  const json plain{{"tlsOptions", {{"key", certs + "/server.key"}, {"cert", certs + "/server.pem"}}}};
  const std::vector<std::string> call{"--call", "{\"cmd\":\"sum\"}", "[1,2,3]"};
  const auto with = [&call](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), call.begin(), call.end());
    return arguments;
  };
  const json six{{"emitted", {6}}, {"completed", true}};
  const auto outcome = [](const std::vector<json>& lines) {
    json line = lines.at(0);
    line.erase("name");
    return line;
  };
  {
    Place place;
    const FerryService service(place, plain);
    CHECK(outcome(run_nest_client(place, with({"--tls-ca", certs + "/ca.pem", "--servername", "localhost"}))) == six);
    CHECK_FALSE(outcome(run_nest_client(place, with({"--tls-ca", certs + "/other-ca.pem", "--servername",
                                                              "localhost"})))["completed"].get<bool>());
  }
  {
    Place place;
    const FerryService service(place, mutual);
    CHECK(outcome(run_nest_client(place,
                                  with({"--tls-ca", certs + "/ca.pem", "--tls-key", certs + "/client.key", "--tls-cert",
                                        certs + "/client.pem", "--servername", "localhost"}))) == six);
    CHECK_FALSE(outcome(run_nest_client(place, with({"--tls-ca", certs + "/ca.pem", "--servername",
                                                              "localhost"})))["completed"].get<bool>());
    CHECK_FALSE(outcome(run_nest_client(place,
                                        with({"--tls-ca", certs + "/ca.pem", "--tls-key", certs + "/stranger.key",
                                              "--tls-cert", certs + "/stranger.pem", "--servername",
                                              "localhost"})))["completed"].get<bool>());
  }
}
