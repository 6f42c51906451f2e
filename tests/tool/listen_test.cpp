// ferry listen.

#include <csignal>

#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("listen prints events and requests, and ends after --count of them") {
  Listener listener({"listen", "tcp://127.0.0.1:0", "user_created", R"({"cmd":"sum"})", "--count", "3"});
  CHECK(ferry_tool({"emit", listener.url, "user_created", R"({ "id": 7 })", "--header", "tenant=acme"}).code == 0);
  listener.process.line_of_stdout("user_created");
  CHECK(ferry_tool({"emit", listener.url, "user_created"}).code == 0);
  listener.process.line_of_stdout("\"headers\":{}");
  const Finished request = ferry_tool({"send", listener.url, R"({"cmd":"sum"})", "[1,2]"});
  CHECK(request.out.empty());   // answered, with no value
  CHECK(request.code == 0);
  const Finished run = listener.process.wait();
  CHECK(run.out ==
        "{\"pattern\":\"user_created\",\"data\":{\"id\":7},\"headers\":{\"tenant\":\"acme\"}}\n"
        "{\"pattern\":\"user_created\",\"headers\":{}}\n"
        "{\"pattern\":{\"cmd\":\"sum\"},\"data\":[1,2],\"headers\":{}}\n");
  CHECK(run.code == 0);
}

TEST_CASE("SIGINT and SIGTERM end listen with exit code 0") {
  for (const int number : {SIGINT, SIGTERM}) {
    Listener listener({"listen", "tcp://127.0.0.1:0", "x"});
    listener.process.signal(number);
    const Finished run = listener.process.wait();
    CHECK(run.out.empty());
    CHECK(run.code == 0);
  }
}

TEST_CASE("listen --from-beginning needs a transport that keeps something") {
  const Finished run = ferry_tool({"listen", "tcp://127.0.0.1:0", "x", "--from-beginning"});
  CHECK(run.out.empty());
  CHECK(run.code == 64);
  CHECK(has(run.err, "--from-beginning: tcp keeps nothing"));
}

TEST_CASE("listen on an address that is taken is exit code 3") {
  Service service;
  const Finished run = ferry_tool({"listen", service.url, "x"});
  CHECK(has(run.err, "cannot listen"));
  CHECK(run.code == 3);
}
