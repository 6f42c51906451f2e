// ferry send: output, standard error and exit code.

#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

TEST_CASE("send prints the reply as a line of JSON") {
  Service service;
  const auto check = [&](std::vector<std::string> arguments, const std::string& out) {
    arguments.insert(arguments.begin(), {"send", service.url});
    const Finished run = ferry_tool(arguments);
    CHECK(run.out == out);
    CHECK(run.err.empty());
    CHECK(run.code == 0);
  };
  check({R"({"cmd":"sum"})", "[1,2,3]"}, "6\n");
  check({R"( { "cmd" : "sum" } )", " [ 1, 2 ] "}, "3\n");
  check({"emit"}, "\"a pattern may have a command's name\"\n");
  check({"echo", R"({"b": 1.0, "a": "x  \" y"})"}, "{\"b\":1.0,\"a\":\"x  \\\" y\"}\n");   // tokens stay as they are
  check({"echo", "-5"}, "-5\n");
  check({"echo", "null"}, "null\n");
  check({"has-data", "null"}, "true\n");
  check({"has-data"}, "false\n");
  check({"nothing", "1"}, "");
  check({"countdown", "3"}, "3\n2\n1\n");
  check({"countdown", "0"}, "");
}

TEST_CASE("send reads the payload from standard input") {
  Service service;
  const Finished run = ferry_tool({"send", service.url, "echo", "-"}, "{\n  \"id\": 7\n}\n");
  CHECK(run.out == "{\"id\":7}\n");
  CHECK(run.code == 0);
}

TEST_CASE("send reads the payload from a file") {
  Service service;
  const Scratch scratch;
  const std::string file = scratch.file("user.json", "{\n  \"id\": 7\n}\n");
  CHECK(ferry_tool({"send", service.url, "echo", "@" + file}).out == "{\"id\":7}\n");
  const std::string broken = scratch.file("broken.json", "{");
  const Finished run = ferry_tool({"send", service.url, "echo", "@" + broken});
  CHECK(has(run.err, broken + " is not JSON"));
  CHECK(run.code == 64);
}

TEST_CASE("send --json says on standard output how it ended, and keeps the exit code") {
  Service service;
  const auto send = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"send", "--json", service.url});
    return ferry_tool(arguments);
  };
  CHECK(send({"countdown", "2"}).out == "{\"value\":2}\n{\"value\":1}\n");
  CHECK(send({"nothing", "1"}).out.empty());
  const auto error = [](const Finished& run) {
    CHECK(run.err.empty());
    return json::parse(run.out.substr(run.out.rfind('\n', run.out.size() - 2) + 1)).at("error");
  };
  const Finished failed = send({"fail"});
  CHECK(error(failed) == json{{"kind", "rejected"}, {"message", "no such user"}, {"fate", "confirmed"},
                              {"body", {{"code", 7}, {"message", "no such user"}}}});
  CHECK(failed.code == 1);
  const Finished late = send({"stall", "--timeout", "200ms"});
  CHECK(has(late.out, "{\"value\":1}\n"));
  CHECK(error(late).at("kind") == "timed_out");
  CHECK(late.code == 2);
  CHECK(error(send({"nobody"})).at("kind") == "no_handler");
  CHECK(error(send({"echo", "no JSON"})).at("kind") == "usage");
}

TEST_CASE("send carries the headers that were asked for and no others") {
  Service service;
  const Finished run = ferry_tool({"send", service.url, "headers", "--header", "tenant=acme", "1", "--header", "q=a=b"});
  CHECK(run.out == "{\"q\":\"a=b\",\"tenant\":\"acme\"}\n");

  RudePeer plain("\"id\":");
  static_cast<void>(ferry_tool({"send", plain.url(), "x", "1"}));
  CHECK_FALSE(has(plain.received(), "metadata"));
  RudePeer with_header("\"id\":");
  static_cast<void>(ferry_tool({"send", with_header.url(), "x", "1", "--header", "a=b"}));
  CHECK(has(with_header.received(), R"("metadata":{"a":"b"})"));
}

TEST_CASE("send prints a stream as it comes, and limits the wait for each value") {
  Service service;
  Process process(command({"send", service.url, "stall", "--timeout", "300"}));
  CHECK(process.line_of_stdout("1") == "1");
  const Finished run = process.wait();
  CHECK(run.out == "1\n");
  CHECK(run.code == 2);
}

TEST_CASE("an error of the remote is JSON on standard error, and exit code 1") {
  Service service;
  const Finished run = ferry_tool({"send", service.url, "fail"});
  CHECK(run.out.empty());
  CHECK(json::parse(run.err) == json{{"code", 7}, {"message", "no such user"}});
  CHECK(run.code == 1);
}

TEST_CASE("no answer in time is exit code 2") {
  Service service;
  const Finished run = ferry_tool({"send", service.url, "never", "1", "--timeout", "200ms"});
  CHECK(has(run.err, "200 ms"));
  CHECK(run.code == 2);
}

TEST_CASE("no connection, or one that was lost, is exit code 3") {
  const std::string url = free_url();
  for (const char* verb : {"send", "emit"}) {
    const Finished refused = ferry_tool({verb, url, "x", "1"});
    CHECK(has(refused.err, url));
    CHECK(refused.code == 3);
  }
  RudePeer peer("\"id\":");
  CHECK(ferry_tool({"send", peer.url(), "x", "1"}).code == 3);
}

TEST_CASE("a pattern that nobody handles is exit code 4") {
  Service service;
  CHECK(ferry_tool({"send", service.url, R"({"cmd":"none"})", "1"}).code == 4);
  const Finished typo = ferry_tool({"send", service.url, "{cmd:sum}", "1"});
  CHECK(has(typo.err, "not a JSON object"));
  CHECK(typo.code == 4);
}
