// ferry check: what is wrong with a file, and what is not; and that it disturbs nobody.

#include <filesystem>
#include <string>
#include <vector>

#include "ferry_test_paths.hpp"
#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

std::string client_of(const std::string& url) { return R"({"clients":{"C":{"url":")" + url + R"("}}})"; }

json checked(const Finished& run) { return json::parse(run.out); }

}  // namespace

TEST_CASE("check tells what each service and client promises, and connects the clients") {
  Service service;
  const Scratch scratch;
  const std::string file = scratch.file("app.json", R"({
    "services": { "own": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": )" + service.port() + R"( },
                           "serializer": "msgpack", "extensions": false } },
    "clients": { "PEER": { "url": ")" + service.url + R"(", "timeout": "2s" } } })");
  const Finished run = ferry_tool({"check", file});
  CHECK(run.err.empty());
  CHECK(run.code == 0);
  CHECK(has(run.out, "service own: tcp, msgpack, " + service.url));
  CHECK(has(run.out, "at-most-once"));
  CHECK(has(run.out, "client PEER: tcp, json, " + service.url));
  CHECK(has(run.out, "connected in "));

  const json report = checked(ferry_tool({"check", "--json", file}));
  CHECK(report.at("ok") == true);
  CHECK(report.at("errors").empty());
  const json& own = report.at("services").at(0);
  CHECK(own.at("delivery") == "at-most-once");
  CHECK(own.at("promises").at("replyStreams") == true);
  CHECK(own.at("promises").at("cancel") == false);   // needs extensions
  CHECK(own.at("maxConcurrency") == 10000);
  const json& peer = report.at("clients").at(0);
  CHECK(peer.at("address") == service.url);
  CHECK(peer.at("promises").at("cancel") == true);
  CHECK(peer.at("connected") == true);
  CHECK(peer.at("timeoutMs") == 2000);
  // It listened nowhere (the port is taken), and sent nothing.
  CHECK(service.messages() == 0);
}

TEST_CASE("check tells what handlers of each service may need, and what would give them the rest") {
  const Scratch scratch;
  const std::string file = scratch.file("app.json", R"({
    "services": { "plain": { "transport": "tcp", "options": { "port": 39071 } },
                  "tuned": { "transport": "tcp", "options": { "port": 39072 }, "serializer": "msgpack", "orderBy": "/user",
                             "maxConcurrency": 8, "adaptiveConcurrency": true } } })");
  const Finished run = ferry_tool({"check", file});
  CHECK(run.err.empty());
  CHECK(run.code == 0);
  CHECK(has(run.out, "needs     reply granted"));
  CHECK(has(run.out, "not at_least_once: the transport tcp: it keeps no message for a service that is away; none of its options gives it"));
  CHECK(has(run.out, "not ordered_by_key: the transport tcp: handlers run at once; \"orderBy\": \"/key\" in the service gives it"));
  CHECK(has(run.out, "needs     ordered_by_key, reply, binary granted"));
  CHECK(has(run.out, "limits    10000 handlers at once, then the transport is held back"));
  CHECK(has(run.out, "limits    up to 8 handlers at once, then the transport is held back"));

  const json report = checked(ferry_tool({"check", "--json", file}));
  const json& plain = report.at("services").at(0).at("needs");
  CHECK(plain.at("reply") == json{{"granted", true}});
  CHECK(plain.at("durable").at("granted") == false);
  CHECK(has(plain.at("binary").at("why"), "payloads are JSON, where bytes are text"));
  const json& tuned = report.at("services").at(1).at("needs");
  CHECK(tuned.at("ordered_by_key").at("granted") == true);
  CHECK(tuned.at("binary").at("granted") == true);
}

TEST_CASE("a client that does not connect is exit code 3, and none is asked to with --no-connect") {
  const std::string url = free_url();
  const Scratch scratch;
  const std::string file = scratch.file("app.json", client_of(url));
  const Finished run = ferry_tool({"check", file});
  CHECK(has(run.out, "NOT connected"));
  CHECK(has(run.err, "client C: cannot connect to " + url));
  CHECK(run.code == 3);
  const json report = checked(ferry_tool({"check", "--json", file}));
  CHECK(report.at("ok") == false);
  CHECK(report.at("errors").empty());
  CHECK(report.at("clients").at(0).at("connected") == false);
  const Finished offline = ferry_tool({"check", file, "--no-connect"});
  CHECK(has(offline.out, "not connected: --no-connect"));
  CHECK(offline.err.empty());
  CHECK(offline.code == 0);
}

TEST_CASE("check waits no longer for a connection than it was told") {
  asio::io_context context;
  asio::ip::tcp::acceptor silent(context, {asio::ip::make_address("127.0.0.1"), 0});   // never a TLS handshake
  const Scratch scratch;
  const std::string file =
      scratch.file("app.json", client_of("tcps://127.0.0.1:" + std::to_string(silent.local_endpoint().port())));
  const Finished run = ferry_tool({"check", file, "--timeout", "200ms"});
  CHECK(has(run.err, "client C: not sent within 200 ms"));
  CHECK(run.code == 3);
}

TEST_CASE("check says all that is wrong, not just the first") {
  const Scratch scratch;
  const std::string file = scratch.file("app.json", R"({
    "thread": 2,
    "services": { "a": { "transport": "tcp", "options": { "prot": 1 } },
                  "b": { "transport": "tcp", "delivery": "at-least-once" },
                  "c": { "transport": "tcp", "options": { "tlsOptions": { "key": "none.pem", "cert": "none.pem" } } } },
    "clients": { "D": { "transport": "pigeon" }, "E": { "url": "tcp://127.0.0.1:1", "timeout": "soon" },
                 "F": { "transport": "memory" } } })");
  const Finished run = ferry_tool({"check", file});
  INFO(run.err);
  CHECK(has(run.err, "ferry: " + file + ": /thread: unknown key \"thread\"; did you mean \"threads\"?"));
  CHECK(has(run.err, "ferry: " + file + ": /services/a/options/prot: unknown key \"prot\"; did you mean \"port\"?"));
  CHECK(has(run.err, file + ": /services/b/delivery: "));
  CHECK(has(run.err, file + ": /services/c/options/tlsOptions"));   // found by the transport, which does not listen
  CHECK(has(run.err, file + ": /clients/D/transport: no transport \"pigeon\""));
  CHECK(has(run.err, file + ": /clients/E/timeout: "));
  CHECK(has(run.out, "client F: memory, json"));
  CHECK(run.code == 64);
  const Finished as_json = ferry_tool({"check", "--json", file});
  CHECK(as_json.err.empty());
  CHECK(as_json.code == 64);
  const json report = checked(as_json);
  CHECK(report.at("ok") == false);
  CHECK(report.at("errors").size() == 1);
  for (const std::size_t i : {0, 1, 2}) CHECK(has(report.at("services").at(i).at("error").get<std::string>(), "/services/"));
  CHECK(report.at("clients").at(2).at("ok") == true);
}

TEST_CASE("no file makes check fall over") {
  const Scratch scratch;
  std::string deep(5000, '[');
  const std::vector<std::string> files{
      scratch.path() + "/none.json",
      scratch.path(),
      "/dev/null",
      "/dev/zero",
      scratch.file("empty.json", ""),
      scratch.file("binary.json", std::string_view("\x00\xff\xfe\x01", 4)),
      scratch.file("deep.json", "{\"clients\":" + deep),
      scratch.file("array.json", "[1]"),
      scratch.file("sections.json", R"({"services":[1],"clients":{}})"),
      scratch.file("null.json", R"({"services":{"a":null},"clients":null})"),
      scratch.file("number.json", R"({"clients":{"":7,"b":{"transport":5}}})"),
      scratch.file("options.json", R"({"clients":{"a":{"url":"tcp://h:1","options":7}}})"),
      scratch.file("url.json", R"({"clients":{"a":{"url":"tcp://"}}})"),
      scratch.file("variable.json", R"({"clients":{"a":{"url":"${FERRY_TEST_THAT_IS_NOT_SET}"}}})"),
      scratch.file("utf.json", "{\"clients\":{\"\xff\":{}}}"),
  };
  for (const std::string& file : files) {
    INFO(file);
    const Finished run = ferry_tool({"check", file});
    CHECK(has(run.err, file));
    CHECK(run.code == 64);
    const Finished as_json = ferry_tool({"check", "--json", file});
    CHECK(checked(as_json).at("ok") == false);
    CHECK(as_json.code == 64);
  }
}

TEST_CASE("a file without services and clients is right, but says so") {
  const Scratch scratch;
  const Finished run = ferry_tool({"check", scratch.file("app.json", "{}")});
  CHECK(has(run.err, "nothing to run"));
  CHECK(run.code == 0);
}

TEST_CASE("check shows no secrets") {
  const Scratch scratch;
  const std::string file = scratch.file("app.json", R"({
    "clients": { "A": { "url": "tcps://127.0.0.1:1?passphrase=hunter2" },
                 "B": { "transport": "tcp", "options": { "tlsOptions": { "passphrase": "hunter2" } } } } })");
  for (const char* form : {"--json", "--no-connect"}) {
    const Finished run = ferry_tool({"check", file, form});
    CHECK(has(run.out, "tcps://127.0.0.1:1"));
    CHECK_FALSE(has(run.out + run.err, "hunter2"));
  }
}

TEST_CASE("the examples' config files are right") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(FERRY_TESTS_DIR "/../examples")) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    const Finished run = ferry_tool({"check", "--no-connect", entry.path().string()});
    INFO(run.err);
    CHECK(run.code == 0);
  }
  CHECK(files >= 2);
}
