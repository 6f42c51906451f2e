// NestJS clients → ferry services.

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "handlers.hpp"
#include "ferry_test_paths.hpp"
#include "peers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

/// Cases whose handler needs what this version of ferry has no place for: exception filters that send any JSON as the error.
bool needs_filters(const std::string& name) { return name.starts_with("filter "); }

/// A ferry service with every handler of nest/service.mjs.
class Service {
 public:
  explicit Service(const json& options) : app_(Config::from_json(config(options))) {
    set_log_level(LogLevel::off);
    add_nest_handlers(app_, [this](json line) { heard.change([&](json& all) { all.push_back(std::move(line)); }); });
    app_.start();
    const std::string endpoint = app_.services().front().endpoint;
    port_ = static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
  }
  std::uint16_t port() const { return port_; }
  Application& app() { return app_; }

  Watched<json> heard{json::array()};

 private:
  static json config(const json& options) {
    json all{{"host", "127.0.0.1"}, {"port", 0}};
    all.update(options);
    return {{"services", {{"nest", {{"transport", "tcp"}, {"options", all}}}}}};
  }

  Application app_;
  std::uint16_t port_ = 0;
};

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
  Service service(json::object());
  const auto lines = run_nest_client(service.port(), {"--cases", FERRY_TESTS_DIR "/interop/nest/cases.json"});
  const json cases = nest_cases();
  REQUIRE(lines.size() == cases.size());
  int checked = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string name = cases[i]["name"];
    if (needs_filters(name)) continue;
    json got = lines[i];
    got.erase("name");
    CAPTURE(name);
    CHECK(got == cases[i]["expect"]);
    ++checked;
  }
  CHECK(checked >= 80);
  const json events = expected_events();
  REQUIRE(service.heard.wait([&](const json& all) { return all.size() >= events.size(); }));
  CHECK(service.heard.get() == events);
}

TEST_CASE("NestJS client, ferry service: many at once") {
  if (!nest_is_installed()) return;
  Service service(json::object());
  const auto lines = run_nest_client(service.port(), {"--concurrent", "500", "--call", "{\"cmd\":\"sum\"}", "[1,2,3]"});
  CHECK(lines.at(0) == json{{"ok", 500}, {"failed", 0}});
}

TEST_CASE("NestJS client, ferry service: 256 x 64 KiB at once do not lock up") {
  if (!nest_is_installed()) return;
  Service service(json::object());
  const Finished finished = start_nest("stall", {"--port", std::to_string(service.port()), "--timeout", "15000"})->wait();
  REQUIRE(finished.code == 0);
  const json result = json::parse(finished.out);
  CHECK(result["ok"] == 256);
  CHECK(result["failed"] == 0);
}

TEST_CASE("NestJS client, ferry service: TLS") {
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
    Service service(plain);
    CHECK(outcome(run_nest_client(service.port(), with({"--tls-ca", certs + "/ca.pem", "--servername", "localhost"}))) == six);
    CHECK_FALSE(outcome(run_nest_client(service.port(), with({"--tls-ca", certs + "/other-ca.pem", "--servername",
                                                              "localhost"})))["completed"].get<bool>());
  }
  {
    Service service(mutual);
    CHECK(outcome(run_nest_client(service.port(),
                                  with({"--tls-ca", certs + "/ca.pem", "--tls-key", certs + "/client.key", "--tls-cert",
                                        certs + "/client.pem", "--servername", "localhost"}))) == six);
    CHECK_FALSE(outcome(run_nest_client(service.port(), with({"--tls-ca", certs + "/ca.pem", "--servername",
                                                              "localhost"})))["completed"].get<bool>());
    CHECK_FALSE(outcome(run_nest_client(service.port(),
                                        with({"--tls-ca", certs + "/ca.pem", "--tls-key", certs + "/stranger.key",
                                              "--tls-cert", certs + "/stranger.pem", "--servername",
                                              "localhost"})))["completed"].get<bool>());
  }
}
