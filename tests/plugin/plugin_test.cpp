// What does not fit is refused, with the file, the reason and both sides; and does not get into the way of what fits.

#include "ferry/plugins.hpp"

#include <map>
#include <string>
#include <vector>

#include "ferry/spi/plugin.hpp"
#include "plugin_test_support.hpp"

using ferry::PluginError;
using ferry::Plugins;

namespace {

struct Broken {
  std::string name;
  std::vector<std::string> says;
};

const std::vector<Broken>& broken_plugins() {
  static const std::vector<Broken> all{
      {"wrong_spi", {"built for plugin interface " + std::to_string(FERRY_SPI_VERSION + 41),
                     "this ferry has " + std::to_string(FERRY_SPI_VERSION), "rebuild it against ferry " FERRY_VERSION}},
      {"wrong_magic", {"does not start as a ferry plugin's does"}},
      {"wrong_fingerprint",
       {"built as [ferry=0.0.9 gcc=11 cxx=201703L]", "this program is [" FERRY_FINGERPRINT "]", "rebuild"}},
      {"no_fingerprint", {"built as [nothing]", "this program is [" FERRY_FINGERPRINT "]"}},
      {"wrong_name", {"it is the serializer \"cheese\"", "not the serializer \"wrong_name\" its file name says"}},
      {"wrong_kind", {"it is the transport \"wrong_kind\"", "not the serializer \"wrong_kind\""}},
      {"no_descriptor", {"its entry returned no descriptor"}},
      {"no_entry", {"has no function ferry_plugin_entry", "lacks FERRY_SERIALIZER_PLUGIN(...)"}},
      {"missing_symbol", {"cannot be loaded", "ferry_test_function_that_is_nowhere"}},
      {"text", {"cannot be loaded"}},
      {"throws", {"failed while starting: its licence has run out"}},
      {"throws_number", {"failed while starting, with something that is no std::exception"}},
      {"makes_nothing", {"made nothing"}},
  };
  return all;
}

void check_text(const std::string& text, const Broken& broken) {
  CAPTURE(text);
  CHECK(contains(text, serializer_file(test_plugins(), broken.name).string()));
  for (const std::string& part : broken.says) CHECK(contains(text, part));
}

}  // namespace

TEST_CASE("a plugin that does not fit is refused by name, with the reason") {
  const Plugins plugins({test_plugins()});
  for (const Broken& broken : broken_plugins()) {
    CAPTURE(broken.name);
    const PluginError error = refusal_of([&] { plugins.serializer(broken.name); });
    CHECK(error.code() == ferry::errc::plugin_refused);
    CHECK(error.fate() == ferry::Fate::not_sent);
    CHECK_FALSE(error.is_retryable());
    check_text(error.what(), broken);
  }
}

TEST_CASE("what was refused once is refused again") {
  const Plugins plugins({test_plugins()});
  for (const Broken& broken : broken_plugins()) {
    CAPTURE(broken.name);
    const std::string first = refusal_of([&] { plugins.serializer(broken.name); }).what();
    CHECK(refusal_of([&] { plugins.serializer(broken.name); }).what() == first);
    CHECK(refusal_of([&] { Plugins({test_plugins()}).serializer(broken.name); }).what() == first);
  }
}

TEST_CASE("a plugin that fits works beside those that do not") {
  const Plugins plugins({test_plugins()});
  refusal_of([&] { plugins.serializer("throws"); });
  std::string out;
  plugins.serializer("upper").encode("quiet", out);
  CHECK(out == "\"QUIET\"");
  CHECK(plugins.serializer("json").name() == "json");
}

TEST_CASE("list names every plugin: loaded, or refused with the reason") {
  std::map<std::string, ferry::PluginInfo> listed;
  for (ferry::PluginInfo& plugin : Plugins({test_plugins()}).list()) {
    if (plugin.kind == "serializer") CHECK(listed.emplace(plugin.name, plugin).second);
  }
  for (const Broken& broken : broken_plugins()) {
    CAPTURE(broken.name);
    REQUIRE(listed.count(broken.name) == 1);
    CHECK(listed[broken.name].path == serializer_file(test_plugins(), broken.name));
    check_text(listed[broken.name].refusal, broken);
  }
  REQUIRE(listed.count("upper") == 1);
  CHECK(listed["upper"].refusal.empty());
  CHECK(listed["upper"].version == "1.2.3");
  CHECK(listed["upper"].path == serializer_file(test_plugins(), "upper"));
  REQUIRE(listed.count("json") == 1);
  CHECK(listed["json"].refusal.empty());
  CHECK(listed["json"].version == FERRY_VERSION);
}

TEST_CASE("a plugin whose make() failed still has its version in the list") {
  for (const ferry::PluginInfo& plugin : Plugins({test_plugins()}).list()) {
    if (plugin.name == "throws") CHECK(plugin.version == "0.1.0");
    if (plugin.name == "wrong_spi") CHECK(plugin.version.empty());
  }
}

TEST_CASE("an unknown name: every directory searched, what was there, and the nearest name") {
  const PluginPath unset(std::nullopt);
  const ScratchDirectory empty;
  const fs::path absent = empty.path() / "absent";
  const Plugins plugins({test_plugins(), empty.path(), absent});
  const std::string text = refusal_of([&] { plugins.serializer("uper"); }).what();
  CAPTURE(text);
  CHECK(contains(text, "no serializer \"uper\"; did you mean \"upper\"? "));
  CHECK(contains(text, "libferry_serializer_uper.so was searched for in:\n"));
  CHECK(contains(text, "\n  " + test_plugins().string() + ": serializers there: makes_nothing, missing_symbol, "));
  CHECK(contains(text, "throws_number, upper, wrong_fingerprint"));
  CHECK(contains(text, "\n  " + empty.path().string() + ": serializers there: none"));
  CHECK(contains(text, "\n  " + absent.string() + " (no such directory)"));
  // Then where core is, which has the real ones.
  CHECK(contains(text, "\n  " + fs::canonical(FERRY_BUILD_PLUGIN_DIR).string() + ": serializers there: "));
}

TEST_CASE("a name that resembles none gets no suggestion") {
  const std::string text = refusal_of([] { Plugins({test_plugins()}).serializer("marshmallow"); }).what();
  CHECK(contains(text, "no serializer \"marshmallow\" libferry_serializer_marshmallow.so"));
  CHECK_FALSE(contains(text, "did you mean"));
}

TEST_CASE("kinds are apart: a serializer's name is no transport") {
  const std::string text = refusal_of([] { Plugins({test_plugins()}).transport("upper"); }).what();
  CHECK(contains(text, "no transport \"upper\""));
  CHECK(contains(text, test_plugins().string() + ": transports there: none"));
}

TEST_CASE("a URL of no known scheme names the schemes there are") {
  const Plugins plugins({test_plugins()});
  const std::string unknown = refusal_of([&] { plugins.transport_for_url("gopher://127.0.0.1"); }).what();
  CHECK(contains(unknown, "no transport for gopher://; known here: "));
  const std::string none = refusal_of([&] { plugins.transport_for_url("127.0.0.1:3001"); }).what();
  CHECK(contains(none, "\"127.0.0.1:3001\" is no URL"));
}
