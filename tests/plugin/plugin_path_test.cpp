// Where plugins are looked for, and which of several counts.

#include <string>

#include "ferry/application.hpp"
#include "ferry/plugins.hpp"
#include "plugin_test_support.hpp"

using ferry::Plugins;

TEST_CASE("FERRY_PLUGIN_PATH comes after the directories given, and before core's") {
  const PluginPath variable("/first:/second");
  const auto found = Plugins({"/given"}).directories();
  REQUIRE(found.size() == 5);
  CHECK(found[0] == "/given");
  CHECK(found[1] == "/first");
  CHECK(found[2] == "/second");
  CHECK(found[3] == fs::canonical(FERRY_BUILD_PLUGIN_DIR));
  CHECK(found[4] == fs::canonical(FERRY_BUILD_PLUGIN_DIR) / "ferry");
}

TEST_CASE("empty parts of FERRY_PLUGIN_PATH are no directories") {
  const PluginPath variable("::/first:::/second:");
  const auto found = Plugins().directories();
  REQUIRE(found.size() == 4);
  CHECK(found[0] == "/first");
  CHECK(found[1] == "/second");
}

TEST_CASE("FERRY_PLUGIN_PATH empty, or only colons, adds nothing") {
  const PluginPath variable(GENERATE(as<std::string>(), "", ":", ":::"));
  CHECK(Plugins().directories().size() == 2);
}

TEST_CASE("a plugin is found through FERRY_PLUGIN_PATH") {
  {
    const PluginPath unset(std::nullopt);
    refusal_of([] { Plugins().serializer("upper"); });
  }
  const PluginPath variable("/no/such/directory:" PLUGIN_TEST_DIR);
  CHECK(Plugins().serializer("upper").name() == "upper");
}

TEST_CASE("the first file of a name counts, fit or not") {
  const ScratchDirectory other;
  other.write("libferry_serializer_upper.so", "no library");
  const std::string text = refusal_of([&] { Plugins({other.path(), test_plugins()}).serializer("upper"); }).what();
  CHECK(contains(text, serializer_file(other.path(), "upper").string()));
  CHECK(Plugins({test_plugins(), other.path()}).serializer("upper").name() == "upper");
}

TEST_CASE("a plugin is made once a process, by whatever path it is reached") {
  const ScratchDirectory other;
  fs::create_directory_symlink(test_plugins(), other.path() / "link");
  const auto& direct = Plugins({test_plugins()}).serializer("upper");
  CHECK(&Plugins({test_plugins()}).serializer("upper") == &direct);
  CHECK(&Plugins({other.path() / "link"}).serializer("upper") == &direct);
}

TEST_CASE("a directory that cannot be read, and a link that leads nowhere, are no crash") {
  const ScratchDirectory other;
  other.write("a_file", "");
  fs::create_symlink(other.path() / "gone", serializer_file(other.path(), "gone"));
  const Plugins plugins({other.path() / "a_file", other.path()});
  const std::string text = refusal_of([&] { plugins.serializer("gone"); }).what();
  CHECK(contains(text, "\n  " + (other.path() / "a_file").string() + " (no such directory)"));
  for (const ferry::PluginInfo& plugin : plugins.list()) {
    if (plugin.name == "gone") CHECK(contains(plugin.refusal, serializer_file(other.path(), "gone").string()));
  }
}

TEST_CASE("pluginPath is relative to the config file") {
  const PluginPath unset(std::nullopt);
  const ScratchDirectory shop;
  fs::create_directory_symlink(test_plugins(), shop.path() / "plugins");
  shop.write("shop.json", R"({ "pluginPath": ["plugins", "/absolute"] })");
  const auto app = ferry::Application::from_file(shop.path() / "shop.json");
  REQUIRE(app.plugins().directories().size() == 4);
  CHECK(app.plugins().directories()[0] == shop.path() / "plugins");
  CHECK(app.plugins().directories()[1] == "/absolute");
  CHECK(app.plugins().serializer("upper").name() == "upper");
}
