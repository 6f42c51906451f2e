// What all commands have in common: help, wrong usage, logs, parts of a config file.

#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("wrong usage is exit code 64 and says what to do") {
  const std::string url = "tcp://127.0.0.1:1";
  const auto check = [](std::vector<std::string> arguments, std::string_view says) {
    const Finished run = ferry_tool(arguments);
    INFO(run.err);
    CHECK(has(run.err, says));
    CHECK(run.out.empty());
    CHECK(run.code == 64);
  };
  check({}, "--help");
  check({"sned"}, "--help");
  check({"send"}, "TARGET and PATTERN");
  check({"send", url}, "TARGET and PATTERN");
  check({"send", url, "x", "1", "2"}, "ferry send --help");
  check({"send", url, "x", "--what"}, "--what");
  check({"send", url, "x", "text"}, "'\"text\"'");
  check({"send", url, "x", ""}, "not JSON");
  check({"send", url, "x", "1", "--header", "no-value"}, "NAME=VALUE");
  check({"send", url, "x", "1", "--timeout", "soon"}, "--timeout");
  check({"send", url, "x", "1", "--timeout", "0"}, "--timeout");
  check({"send", "nowhere://x", "x"}, "tcp");
  check({"send", "127.0.0.1:3001", "x"}, "tcp://127.0.0.1:3001");
  check({"send", "tcp://127.0.0.1:port", "x"}, "port");
  check({"send", "--client", "A", "x"}, "--config");
  check({"send", "--config", "/no/such/file.json", "--client", "A", "x"}, "/no/such/file.json");
  check({"listen", url}, "PATTERN");
  check({"listen", url, "x", "--count", "0"}, "--count");
  check({"send", url, "x", "@/no/such/file"}, "/no/such/file");
  check({"check"}, "FILE");
  check({"check", "/dev/null", "--timeout", "soon"}, "--timeout");
  check({"bench", url}, "TARGET and PATTERN");
  check({"bench", url, "x", "--duration", "0"}, "--duration");
  check({"bench", url, "x", "--in-flight", "0"}, "--in-flight");
  check({"bench", url, "x", "--rate", "-1"}, "--rate");
  check({"bench", url, "x", "--rate", "nan"}, "--rate");
  check({"completion", "csh"}, "bash");
}

TEST_CASE("version") { CHECK(ferry_tool({"--version"}).out == "ferry " FERRY_VERSION "\n"); }

TEST_CASE("the help of every command ends with examples of it") {
  const Finished all = ferry_tool({"--help"});
  CHECK(all.code == 0);
  for (const char* verb : {"send", "emit", "listen", "bench", "check", "transports", "schema", "completion"}) {
    INFO(verb);
    CHECK(has(all.out, std::string("\n  ") + verb + " "));
    const Finished help = ferry_tool({verb, "--help"});
    const std::size_t examples = help.out.find("Examples:\n");
    REQUIRE(examples != std::string::npos);
    CHECK(has(help.out.substr(examples), std::string("ferry ") + verb));
    CHECK(help.code == 0);
  }
  for (const char* verb : {"send", "emit", "listen", "bench"}) CHECK(has(ferry_tool({verb, "--help"}).out, "Exit codes"));
}

TEST_CASE("clients and services of a config file") {
  Service service;
  const Scratch scratch;
  const std::string file = scratch.file("app.json", R"({
    // one client of another kind must not stand in the way
    "services": { "users": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": 0 } } },
    "clients": { "MATH": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": )" + service.port() + R"( } },
                 "OTHER": { "transport": "of-another-build" } } })");
  const Finished run = ferry_tool({"send", "--config", file, "--client", "MATH", R"({"cmd":"sum"})", "[1,2]"});
  CHECK(run.out == "3\n");
  CHECK(run.code == 0);

  const Finished near = ferry_tool({"send", "--config", file, "--client", "MATHS", "x"});
  CHECK(has(near.err, "did you mean \"MATH\"?"));
  CHECK(near.code == 64);
  CHECK(ferry_tool({"send", "--config", file, "--client", "OTHER", "x"}).code == 64);
  const Finished both = ferry_tool({"send", service.url, "x", "1", "--config", file, "--client", "MATH"});
  CHECK(has(both.err, "--config"));
  CHECK(both.code == 64);

  Listener listener({"listen", "--config", file, "--service", "users", "--count", "1", "user_created"});
  CHECK(ferry_tool({"emit", listener.url, "user_created", "1"}).code == 0);
  CHECK(listener.process.wait().out == "{\"pattern\":\"user_created\",\"data\":1,\"headers\":{}}\n");
}

TEST_CASE("option -v logs to standard error only") {
  Service service;
  const Finished run = ferry_tool({"send", "-vv", service.url, "echo", "1"});
  CHECK(run.out == "1\n");
  CHECK(has(run.err, "ferry debug"));
}
