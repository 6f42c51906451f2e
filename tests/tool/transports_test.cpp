// ferry transports: what was found, what it can do, and what was refused.

#include <algorithm>

#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

json listed(const json& all, const std::string& kind, const std::string& name) {
  for (const json& plugin : all.at("plugins")) {
    if (plugin.at("kind") == kind && plugin.at("name") == name) return plugin;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("transports lists every plugin with version and path, and what each transport can do") {
  const Finished run = ferry_tool({"transports", "--json"});
  CHECK(run.code == 0);
  const json all = json::parse(run.out);
  const Plugins plugins;
  for (const PluginInfo& plugin : plugins.list()) {
    INFO(plugin.kind << ' ' << plugin.name);
    const json found = listed(all, plugin.kind, plugin.name);
    REQUIRE(found.is_object());
    CHECK(found.at("version") == plugin.version);
    CHECK(found.at("path") == plugin.path);
    if (plugin.kind != "transport") continue;
    const spi::Transport& transport = plugins.transport(plugin.name);
    CHECK(found.at("schemes").size() == transport.schemes().size());
    CHECK(found.at("capabilities").at("headers") == transport.capabilities().headers);
    CHECK(found.at("capabilities").at("atLeastOnce") == transport.capabilities().at_least_once);
    CHECK(found.at("capabilities").at("inProcess") == transport.capabilities().in_process);
  }
  CHECK(listed(all, "transport", "tcp").is_object());
  CHECK(all.at("searched").size() == plugins.directories().size());
}

TEST_CASE("transports for people: a table of capabilities") {
  const Finished run = ferry_tool({"transports"});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  CHECK(has(run.out, "transport tcp"));
  CHECK(has(run.out, "serializer json"));
  const std::size_t row = run.out.find("\nreply streams ");
  REQUIRE(row != std::string::npos);
  CHECK(has(run.out.substr(row, run.out.find('\n', row + 1) - row), "yes"));
}

TEST_CASE("a plugin that does not fit is listed with the reason, beside those that do") {
  const Scratch scratch;
  const std::string path = scratch.file("libferry_transport_text.so", "This is no shared library.\n");
  const Finished run = ferry_tool({"transports", "--plugin-path", scratch.path()});
  CHECK(has(run.out, "refused: transport text  " + path));
  CHECK(has(run.out, "cannot be loaded"));
  CHECK(has(run.out, "transport tcp"));
  CHECK(run.code == 0);
  const json all = json::parse(ferry_tool({"transports", "--json", "--plugin-path", scratch.path()}).out);
  CHECK(has(listed(all, "transport", "text").at("refused").get<std::string>(), "cannot be loaded"));
  CHECK_FALSE(listed(all, "transport", "text").contains("capabilities"));
  CHECK(all.at("searched").at(0) == scratch.path());
}
