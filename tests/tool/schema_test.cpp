// ferry schema, held against a validator that is not ours: it takes what core takes, and refuses what core refuses.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <ferry/config_check.hpp>

#include "ferry_test_paths.hpp"
#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::string directory = FERRY_TESTS_DIR "/tool/schema";

std::string find_node() {
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string place; std::getline(path, place, ':');) {
    if (access((place + "/node").c_str(), X_OK) == 0) return place + "/node";
  }
  return {};
}

bool validator_is_installed() {
  if (!find_node().empty() && fs::exists(directory + "/node_modules/ajv")) return true;
  std::cout << "not applicable: node or ajv is not installed; run scripts/setup --tests" << std::endl;
  SUCCEED("not applicable");
  return false;
}

json schema() {
  const Finished run = ferry_tool({"schema"});
  REQUIRE(run.code == 0);
  return json::parse(run.out);
}

/// For each document what the validator has against it; nothing if it is valid.
std::vector<std::vector<std::string>> complaints(const json& documents) {
  const Scratch scratch;
  const std::string file = scratch.file("in.json", json{{"schema", schema()}, {"documents", documents}}.dump());
  const Finished run = Process({find_node(), directory + "/validate.mjs", file}).wait();
  INFO(run.err);
  REQUIRE(run.code == 0);
  return json::parse(run.out).get<std::vector<std::vector<std::string>>>();
}

/// What core has against it.
std::optional<std::string> refusal(const json& document) {
  const auto errors = check_config(Config::from_json(document)).all_errors();
  return errors.empty() ? std::nullopt : std::optional(errors.front());
}

json service(json body) { return {{"services", {{"s", std::move(body)}}}}; }
json client(json body) { return {{"clients", {{"c", std::move(body)}}}}; }
json tcp_service(json options) { return service({{"transport", "tcp"}, {"options", std::move(options)}}); }

/// Values of every kind, and the limits of this option from both sides.
std::vector<json> values_for(const spi::Option& option) {
  std::vector<json> values{nullptr, true, "true", " true ", "x", "", "1.2.3", "5 s", "64KiB", "5 parsecs", 1.5, -1, 7,
                           json::array(), json::array({"a"}), json::array({1}), json::object(), {{"a", "b"}}, {{"a", 1}}};
  if (!option.fallback.empty()) values.push_back(json::parse(option.fallback));
  for (const std::int64_t limit : {option.min, option.max}) {
    if (limit == std::numeric_limits<std::int64_t>::min() || limit == std::numeric_limits<std::int64_t>::max()) continue;
    for (const std::int64_t step : {-1, 0, 1}) values.push_back(limit + step);
  }
  return values;
}

/// JSON Schema cannot compare what stands in a string.
bool is_quoted_amount_out_of_range(const spi::Option& option, const json& value) {
  if (!value.is_string()) return false;
  spi::Option unlimited = option;
  unlimited.min = std::numeric_limits<std::int64_t>::min();
  unlimited.max = std::numeric_limits<std::int64_t>::max();
  try {
    spi::Options::parse({{std::string(option.name), value}}, {&unlimited, 1}, {"test", ""});
    spi::Options::parse({{std::string(option.name), value}}, {&option, 1}, {"test", ""});
    return false;
  } catch (const ConfigError&) {
    try {
      spi::Options::parse({{std::string(option.name), value}}, {&unlimited, 1}, {"test", ""});
      return true;
    } catch (const ConfigError&) {
      return false;
    }
  }
}

struct Case {
  json document;
  bool accepted;
};

void add_cases(std::vector<Case>& cases, const spi::Transport& transport, bool of_service, spi::OptionTable table) {
  for (const spi::Option& option : table) {
    for (const json& value : values_for(option)) {
      if (is_quoted_amount_out_of_range(option, value)) continue;
      const json options{{std::string(option.name), value}};
      bool accepted = true;
      try {
        spi::Options::parse(options, {&option, 1}, {"test", ""});
      } catch (const ConfigError&) {
        accepted = false;
      }
      json body{{"transport", transport.name()}, {"options", options}};
      for (const spi::Option& other : table) {   // what must be there, so that it is the option that decides
        if (other.required && other.name != option.name) body["options"][std::string(other.name)] = "${X}";
      }
      cases.push_back({of_service ? service(std::move(body)) : client(std::move(body)), accepted});
    }
  }
}

}  // namespace

TEST_CASE("the schema says which dialect it is in, and describes every key") {
  const json all = schema();
  CHECK(all.at("$schema") == "https://json-schema.org/draft/2020-12/schema");
  CHECK(all.at("additionalProperties") == false);
  for (const char* name : {"threads", "pluginPath", "logLevel", "services", "clients"}) {
    INFO(name);
    CHECK_FALSE(all.at("properties").at(name).at("description").get<std::string>().empty());
  }
  const Plugins plugins;
  for (const PluginInfo& plugin : plugins.list()) {
    if (plugin.kind != "transport" || !plugin.refusal.empty()) continue;
    const spi::Transport& transport = plugins.transport(plugin.name);
    const json& options = all.at("$defs").at(plugin.name + ".service").at("properties");
    CHECK(options.size() == transport.server_options().size());
    for (const spi::Option& option : transport.server_options()) {
      INFO(plugin.name << ' ' << option.name);
      const json& property = options.at(std::string(option.name));
      CHECK(property.at("description") == option.doc);
      if (!option.fallback.empty()) CHECK(property.at("default") == json::parse(option.fallback));
    }
  }
}

TEST_CASE("the examples' config files are valid") {
  if (!validator_is_installed()) return;
  json documents = json::array();
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(FERRY_TESTS_DIR "/../examples")) {
    if (entry.path().extension() != ".json") continue;
    names.push_back(entry.path().string());
    documents.push_back(json::parse(std::ifstream(entry.path()), nullptr, true, true));   // as it stands, with its ${...}
  }
  REQUIRE(names.size() >= 2);
  const auto found = complaints(documents);
  for (std::size_t i = 0; i < names.size(); ++i) {
    INFO(names[i]);
    CHECK(found[i] == std::vector<std::string>());
  }
}

TEST_CASE("what core refuses of a config, the schema refuses, and the other way round") {
  if (!validator_is_installed()) return;
  const std::vector<Case> cases{
      {json::object(), true},
      {{{"$schema", "./ferry.schema.json"}, {"threads", 2}, {"logLevel", "warn"}, {"pluginPath", "plugins"}}, true},
      {{{"threads", "2"}, {"shutdownTimeout", "1.5s"}, {"pluginPath", {"a", "b"}}}, true},
      {{{"thread", 2}}, false},
      {{{"threads", -1}}, false},
      {{{"threads", 1.5}}, false},
      {{{"threads", "many"}}, false},
      {{{"shutdownTimeout", "soon"}}, false},
      {{{"logLevel", "loud"}}, false},
      {{{"services", json::array()}}, false},
      {{{"clients", nullptr}}, false},
      {service(nullptr), false},
      {service(json::object()), false},
      {service({{"transport", "tcp"}}), true},
      {service({{"transport", "tcp"}, {"options", nullptr}}), true},
      {service({{"transport", "tcp"}, {"options", 7}}), false},
      {service({{"transport", "pigeon"}}), false},
      {service({{"transport", 5}}), false},
      {service({{"url", "tcp://127.0.0.1:1"}}), false},
      {service({{"transport", "tcp"}, {"serializer", "msgpack"}, {"handlers", "pool"}, {"maxConcurrency", 1}}), true},
      {service({{"transport", "tcp"}, {"serializer", "xml"}}), false},
      {service({{"transport", "tcp"}, {"handlers", "elsewhere"}}), false},
      {service({{"transport", "tcp"}, {"maxConcurrency", 0}}), false},
      {service({{"transport", "tcp"}, {"extensions", "false"}}), true},
      {service({{"transport", "tcp"}, {"extensions", "no"}}), false},
      {service({{"transport", "tcp"}, {"delivery", "at-least-once"}}), false},   // it cannot
      {tcp_service({{"port", 4000}, {"host", "127.0.0.1"}}), true},
      {tcp_service({{"port", "4000"}}), true},
      {tcp_service({{"port", 65536}}), false},
      {tcp_service({{"port", true}}), false},
      {tcp_service({{"prot", 4000}}), false},
      {tcp_service({{"host", 127}}), false},
      {tcp_service({{"connectTimeout", "1s"}}), false},   // a client's
      {tcp_service({{"tlsOptions", 1}}), false},
      {tcp_service({{"tlsOptions", {{"minVersion", "SSLv3"}}}}), false},
      {tcp_service({{"tlsOptions", {{"servername", "x"}}}}), false},   // a client's
      {service({{"transport", "memory"}, {"options", {{"name", "a"}}}}), true},
      {service({{"transport", "memory"}, {"options", {{"port", 1}}}}), false},
      {client(json::object()), false},
      {client({{"transport", "tcp"}}), true},
      {client({{"transport", "tcp"}, {"options", {{"connectTimeout", "1s"}}}}), true},
      {client({{"transport", "tcp"}, {"options", {{"backlog", 1}}}}), false},   // a service's
      {client({{"url", "tcp://127.0.0.1:1"}}), true},
      {client({{"url", "tcp://127.0.0.1:1"}, {"options", {{"noDelay", false}}}}), true},
      {client({{"url", "tcp://127.0.0.1:1"}, {"options", {{"delay", false}}}}), false},
      {client({{"url", "tcp://127.0.0.1:1"}, {"options", 7}}), false},
      {client({{"url", "tcp+unix:///run/x.sock"}}), true},
      {client({{"url", "memory://"}, {"options", {{"port", 1}}}}), false},
      {client({{"url", "pigeon://roof"}}), false},
      {client({{"url", 7}}), false},
      {client({{"url", "tcp://127.0.0.1:1"}, {"transport", "tcp"}}), false},
      {client({{"transport", "tcp"}, {"timeout", 0}}), false},
      {client({{"transport", "tcp"}, {"timeout", "2 s"}, {"emitTimeout", 100}}), true},
      {client({{"transport", "tcp"}, {"timeout", 1e15}}), false},
      {client({{"transport", "tcp"}, {"reconnect", {{"attempts", 3}, {"backoff", "1s"}}}}), true},
      {client({{"transport", "tcp"}, {"reconnect", {{"attempt", 3}}}}), false},
      {client({{"transport", "tcp"}, {"reconnect", {{"attempts", -2}}}}), false},
      {client({{"transport", "tcp"}, {"reconnect", nullptr}}), false},
  };
  json documents = json::array();
  for (const Case& each : cases) documents.push_back(each.document);
  const auto found = complaints(documents);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO(cases[i].document << "\nschema: " << json(found[i]) << "\ncore: " << refusal(cases[i].document).value_or("takes it"));
    CHECK(found[i].empty() == cases[i].accepted);
    CHECK(!refusal(cases[i].document).has_value() == cases[i].accepted);
  }
}

TEST_CASE("of every option of every transport, schema and core take the same values") {
  if (!validator_is_installed()) return;
  const Plugins plugins;
  std::vector<Case> cases;
  for (const PluginInfo& plugin : plugins.list()) {
    if (plugin.kind != "transport" || !plugin.refusal.empty()) continue;
    const spi::Transport& transport = plugins.transport(plugin.name);
    add_cases(cases, transport, true, transport.server_options());
    add_cases(cases, transport, false, transport.client_options());
  }
  REQUIRE(cases.size() > 500);
  json documents = json::array();
  for (const Case& each : cases) documents.push_back(each.document);
  const auto found = complaints(documents);
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO(cases[i].document << "\nschema: " << json(found[i]));
    CHECK(found[i].empty() == cases[i].accepted);
    accepted += cases[i].accepted ? 1 : 0;
  }
  CHECK(accepted > 50);
  CHECK(accepted < cases.size() - 50);
}

TEST_CASE("variables are taken wherever a value is") {
  if (!validator_is_installed()) return;
  const auto found = complaints(json::array({
      client({{"transport", "${TRANSPORT:-tcp}"}, {"timeout", "${T:-2s}"}, {"extensions", "${E:-true}"}}),
      client({{"url", "${URL}"}, {"serializer", "${S:-json}"}, {"maxInFlight", "${N}"}}),
      client({{"url", "tcp://${HOST}:${PORT:-1}"}}),
      tcp_service({{"port", "30${PORT:-00}"}, {"maxBufferSize", "${SIZE}KiB"}}),
  }));
  for (const auto& complaint : found) CHECK(complaint == std::vector<std::string>());
}

TEST_CASE("a plugin that cannot be loaded is left out, and said") {
  const Scratch scratch;
  const std::string path = scratch.file("libferry_transport_text.so", "This is no shared library.\n");
  const Finished run = ferry_tool({"schema", "--plugin-path", scratch.path()});
  CHECK(has(run.err, "left out: " + path));
  CHECK(json::parse(run.out) == schema());
  CHECK(run.code == 0);
}
