#include <ferry/config.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include <ferry/error.hpp>
#include <nlohmann/json.hpp>

#include "catch.hpp"

using namespace ferry;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

template <class F>
std::string text_of(F function) {
  try {
    function();
  } catch (const ConfigError& error) {
    CHECK(error.code() == errc::bad_config);
    return error.what();
  }
  return "nothing was thrown";
}

std::string error_of(std::string_view text) {
  return text_of([&] { Config::from_text(text, "math.json"); });
}

json parsed(std::string_view text) { return Config::from_text(text).root(); }

// The value a one-member document gets.
json expanded(const std::string& value) { return parsed(json{{"a", value}}.dump())["a"]; }

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "ferry_config_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string nested(std::size_t levels) {  // the object around counts as one
  return R"({"a":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
}

std::string unreadable(const fs::path& path, const std::string& why) {
  return path.string() + ": cannot read this config file: " + why + "; relative names start at " +
         fs::current_path().string();
}

}  // namespace

TEST_CASE("comments are no part of the document", "[config]") {
  CHECK(parsed("// head\n{ /* one */ \"a\": 1, // two\n \"b\": [2] }") == json{{"a", 1}, {"b", {2}}});
  CHECK(parsed("\xEF\xBB\xBF{}") == json::object());
}

TEST_CASE("a syntax error names line and column", "[config]") {
  CHECK(error_of("{\n  \"a\": 1\n  \"b\": 2\n}").starts_with("math.json: line 3, column 5: syntax error"));
  CHECK(error_of("{\"a\": tru}").starts_with("math.json: line 1, column 10: syntax error"));
  CHECK(error_of("{\"a\": tru}").find("tru}'") != std::string::npos);
  CHECK(error_of("{} x").starts_with("math.json: line 1, column 4: syntax error"));
  CHECK(error_of("").starts_with("math.json: line 1, column 1: syntax error"));
  CHECK(error_of("{ /* open").starts_with("math.json: line 1, column 10: syntax error"));
  CHECK(error_of("{\"a\": \"\xff\"}").starts_with("math.json: line 1, column 8: syntax error"));
  CHECK(error_of(std::string_view("{}\n // \0 x", 9)) == "math.json: line 2, column 5: a NUL character");
  CHECK(error_of(std::string_view("{\"a\": 1}\0{", 10)) == "math.json: line 1, column 9: a NUL character");
  CHECK(error_of("{\"a\": 1e999}") == "math.json: number overflow parsing '1e999'");
  CHECK(error_of("{\"a\": \"" + std::string(100'000, 'x')).size() < 500);
}

TEST_CASE("a trailing comma is an error that says so", "[config]") {
  const std::string object = error_of("{\n\"a\": 1,\n}");
  CHECK(object.starts_with("math.json: line 3, column 1: syntax error"));
  CHECK(object.ends_with("; remove the comma before it"));
  CHECK(error_of("{\"a\": [1, ]}").ends_with("; remove the comma before it"));
}

TEST_CASE("a key that appears twice is an error", "[config]") {
  const std::string advice = " appears twice in one object; remove one: JSON would silently keep the last";
  CHECK(error_of(R"({"a":1,"a":1})") == "math.json: /a: key \"a\"" + advice);
  CHECK(error_of(R"({"s":[1,[],{"x":{"k/":1}, "y":{"k/":1,"z":[{}],"k/":2}}]})") ==
        "math.json: /s/2/y/k~1: key \"k/\"" + advice);
  CHECK(parsed(R"({"a":{"k":1},"b":[{"k":1},{"k":1}],"k":1})").size() == 3);
}

TEST_CASE("the top must be an object", "[config]") {
  const std::string advice =
      " at the top, expected an object; a config looks like { \"services\": { ... }, \"clients\": { ... } }";
  CHECK(error_of("[1]") == "math.json: found array" + advice);
  CHECK(error_of("null") == "math.json: found null" + advice);
  CHECK(text_of([] { Config::from_json(3); }) == "<code>: found number" + advice);
}

TEST_CASE("nesting is limited", "[config]") {
  CHECK(parsed(nested(64)).size() == 1);
  const std::string error = error_of(nested(65));
  CHECK(error.starts_with("math.json: /a/0/0"));
  CHECK(error.ends_with("/0: nested deeper than 64 levels"));
  CHECK(error_of(std::string(5'000'000, '[')).ends_with(": nested deeper than 64 levels"));
  CHECK(text_of([] { Config::from_json(json::parse(nested(65)), "made"); }).ends_with("levels"));
  CHECK(text_of([] { Config::from_json(json::parse(nested(65)), "made"); }).starts_with("made: /a/0/0"));
}

TEST_CASE("variables are expanded in values", "[config]") {
  const Variable host("FERRY_TEST_HOST", "example.org");
  const Variable empty("FERRY_TEST_EMPTY", "");
  CHECK(expanded("${FERRY_TEST_HOST}") == "example.org");
  CHECK(expanded("nats://${FERRY_TEST_HOST}:${FERRY_TEST_PORT:-4222}/x") == "nats://example.org:4222/x");
  CHECK(expanded("${FERRY_TEST_NONE:-}") == "");
  CHECK(expanded("${FERRY_TEST_EMPTY}") == "");
  CHECK(expanded("${FERRY_TEST_EMPTY:-full}") == "full");
  CHECK(expanded("${FERRY_TEST_NONE:-a:-b}") == "a:-b");
  CHECK(parsed(R"({"${FERRY_TEST_HOST}":["${FERRY_TEST_HOST}",{"b":"${FERRY_TEST_HOST}"}]})") ==
        json{{"${FERRY_TEST_HOST}", {"example.org", {{"b", "example.org"}}}}});
}

TEST_CASE("dollars that start no variable stay", "[config]") {
  for (const char* const text : {"$", "$$", "$HOME", "a$", "{}", "}", "$ {A}"}) CHECK(expanded(text) == text);
  CHECK(expanded("$${A}") == "${A}");
  CHECK(expanded("$$${A}") == "$${A}");
  CHECK(expanded("a$${b") == "a${b");
}

TEST_CASE("what a variable holds is not expanded again, and stays a string", "[config]") {
  const Variable tricky("FERRY_TEST_TRICKY", "${FERRY_TEST_NUMBER}");
  const Variable number("FERRY_TEST_NUMBER", "3000");
  CHECK(expanded("${FERRY_TEST_TRICKY}") == "${FERRY_TEST_NUMBER}");
  CHECK(expanded("${FERRY_TEST_NUMBER}") == "3000");
}

TEST_CASE("a wrong variable is an error that names it", "[config]") {
  const Variable latin1("FERRY_TEST_LATIN1", "\xe4");
  CHECK(error_of(R"({"s":[0,{"a":"x${FERRY_TEST_NONE}"}]})") ==
        "math.json: /s/1/a: the environment variable FERRY_TEST_NONE is not set; "
        "set it, or give a default: ${FERRY_TEST_NONE:-default}");
  CHECK(error_of(R"({"a":"${FERRY_TEST_LATIN1}"})") ==
        "math.json: /a: the environment variable FERRY_TEST_LATIN1 is not UTF-8");
  CHECK(error_of(R"({"a":"${FERRY"})") == "math.json: /a: \"${\" without \"}\"; write $${ for a literal ${");
  for (const std::string name : {"", "1A", "A-B", "A B", "A-x", ":-x", "${A"}) {
    CHECK(error_of("{\"a\":\"${" + name + "}\"}") ==
          "math.json: /a: \"${" + name +
              "}\" names no environment variable; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
  }
  CHECK(error_of(R"({"a":"${A:-${B}}"})") ==
        "math.json: /a: the default of ${A} has a \"${\" in it; defaults are not expanded");
}

TEST_CASE("a document made in code is taken as it is", "[config]") {
  const Config config = Config::from_json({{"a", "${FERRY_TEST_NONE}"}});
  CHECK(config.root() == json{{"a", "${FERRY_TEST_NONE}"}});
  CHECK(config.file() == "<code>");
  CHECK(config.directory() == fs::current_path());
  CHECK(Config::from_text("{}").file() == "<code>");
}

TEST_CASE("a file knows where it is", "[config]") {
  const Folder folder;
  const fs::path path = folder.write("math.json", R"({"a": 1})");
  const Config config = Config::from_file(path);
  CHECK(config.root() == json{{"a", 1}});
  CHECK(config.file() == path.string());
  CHECK(config.directory() == folder.path());
  CHECK(Config::from_file(fs::relative(path)).directory().is_absolute());
  CHECK(fs::equivalent(Config::from_file(fs::relative(path)).directory(), folder.path()));
  const fs::path bad = folder.write("bad.json", "{\n]");
  CHECK(text_of([&] { Config::from_file(bad); }).starts_with(bad.string() + ": line 2, column 1: syntax error"));
}

TEST_CASE("a file that cannot be read says why", "[config]") {
  const Folder folder;
  const auto error = [](const fs::path& path) { return text_of([&] { Config::from_file(path); }); };
  const fs::path missing = folder.path() / "none.json";
  CHECK(error(missing) == unreadable(missing, "No such file or directory"));
  CHECK(error(folder.path()) == unreadable(folder.path(), "it is a directory"));
  const fs::path large = folder.write("large.json", std::string(16 * 1024 * 1024 + 1, ' '));
  CHECK(error(large) == unreadable(large, "it is larger than 16 MiB"));
  const fs::path failing = "/proc/self/mem";  // opens, and fails to read at 0
  if (fs::exists(failing)) CHECK(error(failing) == unreadable(failing, "Input/output error"));
  const fs::path locked = folder.write("locked.json", "{}");
  fs::permissions(locked, fs::perms::none);
  if (::geteuid() != 0) CHECK(error(locked) == unreadable(locked, "Permission denied"));  // root may read anything
}
