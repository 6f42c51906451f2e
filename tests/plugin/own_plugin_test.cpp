// A serializer that is not ferry's: of the program itself, or a plugin that somebody else built.

#include <chrono>
#include <memory>
#include <string>

#include "ferry/application.hpp"
#include "ferry/spi/plugin.hpp"
#include "plugin_test_support.hpp"
#include "upper_serializer.hpp"

using ferry::Plugins;
using namespace std::chrono_literals;

namespace {

ferry::Config config_with(const std::string& serializer) {
  const nlohmann::json side{{"transport", "memory"}, {"serializer", serializer}};
  return ferry::Config::from_json({{"threads", 1}, {"services", {{"s", side}}}, {"clients", {{"C", side}}}});
}

/// "quiet" there and back: what the handler saw, and what the caller got.
void check_capitals(ferry::Application& app) {
  std::string seen;
  app.on_message("echo", [&seen](const std::string& text) {
    seen = text;
    return "and " + text;
  });
  app.start();
  const std::string quiet = "quiet";
  CHECK(app.client("C").send<std::string>("echo", quiet).get(5s) == "AND QUIET");
  CHECK(app.stop());
  CHECK(seen == "QUIET");
}

}  // namespace

TEST_CASE("a config can choose the program's own serializer") {
  Plugins plugins;
  plugins.add(std::make_shared<UpperSerializer>());
  ferry::Application app(config_with("upper"), std::move(plugins));
  check_capitals(app);
}

TEST_CASE("a config can choose a serializer that somebody else built") {
  ferry::Application app(config_with("upper"), Plugins({test_plugins()}));
  check_capitals(app);
}

TEST_CASE("the program's own plugin counts before files of its name") {
  const ScratchDirectory other;
  other.write("libferry_serializer_upper.so", "no library");
  Plugins plugins({other.path()});
  const auto own = std::make_shared<UpperSerializer>();
  plugins.add(own);
  CHECK(&plugins.serializer("upper") == own.get());
  std::size_t listed = 0;
  for (const ferry::PluginInfo& plugin : plugins.list()) {
    if (plugin.name != "upper") continue;
    ++listed;
    CHECK(plugin.path == "built in");
    CHECK(plugin.refusal.empty());
  }
  CHECK(listed == 1);
}

TEST_CASE("the program's own plugins are among the suggestions") {
  Plugins plugins;
  plugins.add(std::make_shared<UpperSerializer>());
  CHECK(contains(refusal_of([&] { plugins.serializer("uper"); }).what(), "did you mean \"upper\"?"));
}

TEST_CASE("a config's error about a plugin says where in the config it stands") {
  const auto config = ferry::Config::from_text(
      R"({ "clients": { "C": { "transport": "memory", "serializer": "uper" } } })", "shop.json");
  const std::string text = refusal_of([&] { ferry::Application(config, Plugins({test_plugins()})); }).what();
  CAPTURE(text);
  CHECK(contains(text, "shop.json"));
  CHECK(contains(text, "/clients/C/serializer"));
  CHECK(contains(text, "did you mean \"upper\"?"));
}
