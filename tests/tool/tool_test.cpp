// The `ferry` command as scripts see it: output, standard error and exit code.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <ferry/ferry.hpp>
#include <nlohmann/json.hpp>

#include "ferry_test_paths.hpp"
#include "support/await.hpp"
#include "support/catch.hpp"
#include "../support/process.hpp"

using namespace ferry;
using ferry::test::Finished;
using ferry::test::Process;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), FERRY_BUILD_PROGRAM_DIR "/ferry");
  return arguments;
}

Finished ferry_tool(std::vector<std::string> arguments, std::string_view standard_input = {}) {
  return Process(command(std::move(arguments)), standard_input).wait();
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// What the events carried: data and headers.
using Seen = test::Watched<std::vector<std::pair<std::string, Headers>>>;

/// A service in this process, on a free port.
struct Service {
  Service()
      : app(Config::from_json({{"threads", 1},
                               {"services",
                                {{"peer", {{"transport", "tcp"}, {"options", {{"host", "127.0.0.1"}, {"port", 0}}}}}}}})) {
    app.on_message({{"cmd", "sum"}}, [](std::vector<double> xs) {
      double total = 0;
      for (const double x : xs) total += x;
      return total;
    });
    app.on_message("echo", [](Payload payload) { return payload; });
    app.on_message("emit", [] { return "a pattern may have a command's name"; });
    app.on_message("has-data", [](Payload payload) { return payload.has_value(); });
    app.on_message("nothing", [] {});
    app.on_message("headers", [](Context& context) {
      json all = json::object();
      for (const auto& [name, value] : context.headers()) all[name] = value;
      return all;
    });
    app.on_message("fail", []() -> int { throw RpcError(json{{"code", 7}, {"message", "no such user"}}); });
    app.on_message("never", [this]() -> task<void> { return until_the_end(); });
    app.on_message("countdown", [](int from, ReplyWriter<int>& out) -> task<void> {
      for (int i = from; i > 0; --i) co_await out.write(i);
    });
    app.on_message("stall", [this](ReplyWriter<int>& out) -> task<void> {
      co_await out.write(1);
      co_await until_the_end();
    });
    app.on_event("happened", [this](Context& context) {
      const Payload payload = context.payload();
      std::pair<std::string, Headers> one(payload.has_value() ? payload.json() : "", context.headers());
      seen.change([&one](auto& all) { all.push_back(std::move(one)); });
    });
    app.start();
    url = app.services().front().endpoint;
  }
  ~Service() {
    app.runtime().next_loop().post([this] { end.expires_at(asio::steady_timer::time_point::min()); });
    app.stop();
  }

  task<void> until_the_end() {
    std::error_code ignored;
    co_await end.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  Seen seen;
  Application app;
  asio::steady_timer end{app.runtime().next_loop().executor(), asio::steady_timer::time_point::max()};
  std::string url;
};

/// Accepts one connection, reads until it has `text`, and hangs up.
class RudePeer {
 public:
  explicit RudePeer(std::string text) : thread_([this, text = std::move(text)] { serve(text); }) {}
  ~RudePeer() { thread_.join(); }

  std::string url() const { return "tcp://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  std::string received() { return received_.get_future().get(); }

 private:
  void serve(const std::string& text) {
    asio::ip::tcp::socket peer = acceptor_.accept();
    std::string all;
    char buffer[1024];
    std::error_code error;
    while (!has(all, text) && !error) all.append(buffer, peer.read_some(asio::buffer(buffer), error));
    received_.set_value(all);
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::make_address("127.0.0.1"), 0}};
  std::promise<std::string> received_;
  std::thread thread_;
};

std::string free_url() {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
  return "tcp://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
}

/// A config file that goes with the test.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text)
      : path_(fs::temp_directory_path() / ("ferry_tool_test_" + std::to_string(getpid()) + ".json")) {
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { fs::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

/// `ferry listen`, and where.
struct Listener {
  explicit Listener(std::vector<std::string> arguments) : process(command(std::move(arguments))) {
    const std::string line = process.line_of_stderr("listening on ");
    url = line.substr(line.find("tcp://"));
  }
  Process process;
  std::string url;
};

}  // namespace

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
}

TEST_CASE("help and version") {
  CHECK(ferry_tool({"--version"}).out == "ferry " FERRY_VERSION "\n");
  for (const char* verb : {"send", "emit", "listen"}) {
    const Finished help = ferry_tool({verb, "--help"});
    CHECK(has(help.out, std::string("  ferry ") + verb + " tcp://"));
    CHECK(has(help.out, "Exit codes"));
    CHECK(help.code == 0);
  }
}

TEST_CASE("emit sends an event and prints nothing") {
  Service service;
  const Finished run = ferry_tool({"emit", service.url, "happened", R"({"id":7})", "--header", "tenant=acme"});
  CHECK(run.out.empty());
  CHECK(run.err.empty());
  CHECK(run.code == 0);
  CHECK(ferry_tool({"emit", service.url, "happened"}).code == 0);
  REQUIRE(service.seen.wait([](const auto& all) { return all.size() == 2; }));
  const auto all = service.seen.get();
  CHECK(all[0].first == R"({"id":7})");
  CHECK(all[0].second == Headers().set("tenant", "acme"));
  CHECK(all[1].first.empty());
  CHECK(all[1].second.empty());
}

TEST_CASE("clients and services of a config file") {
  Service service;
  const std::string port = service.url.substr(service.url.rfind(':') + 1);
  const ConfigFile file(R"({
    // one client of another kind must not stand in the way
    "services": { "users": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": 0 } } },
    "clients": { "MATH": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": )" + port + R"( } },
                 "OTHER": { "transport": "of-another-build" } } })");
  const Finished run = ferry_tool({"send", "--config", file.path(), "--client", "MATH", R"({"cmd":"sum"})", "[1,2]"});
  CHECK(run.out == "3\n");
  CHECK(run.code == 0);

  const Finished near = ferry_tool({"send", "--config", file.path(), "--client", "MATHS", "x"});
  CHECK(has(near.err, "did you mean \"MATH\"?"));
  CHECK(near.code == 64);
  CHECK(ferry_tool({"send", "--config", file.path(), "--client", "OTHER", "x"}).code == 64);
  const Finished both = ferry_tool({"send", service.url, "x", "1", "--config", file.path(), "--client", "MATH"});
  CHECK(has(both.err, "--config"));
  CHECK(both.code == 64);

  Listener listener({"listen", "--config", file.path(), "--service", "users", "--count", "1", "user_created"});
  CHECK(ferry_tool({"emit", listener.url, "user_created", "1"}).code == 0);
  CHECK(listener.process.wait().out == "{\"pattern\":\"user_created\",\"data\":1,\"headers\":{}}\n");
}

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

TEST_CASE("listen on an address that is taken is exit code 3") {
  Service service;
  const Finished run = ferry_tool({"listen", service.url, "x"});
  CHECK(has(run.err, "cannot listen"));
  CHECK(run.code == 3);
}

TEST_CASE("option -v logs to standard error only") {
  Service service;
  const Finished run = ferry_tool({"send", "-vv", service.url, "echo", "1"});
  CHECK(run.out == "1\n");
  CHECK(has(run.err, "ferry debug"));
}
