// ferry bench: what it counts, and that a service that stalls cannot hide.

#include <csignal>
#include <string>
#include <vector>

#include <unistd.h>

#include "ferry_test_paths.hpp"
#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

struct Bench {
  explicit Bench(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"bench", "--json"});
    run = ferry_tool(std::move(arguments));
    UNSCOPED_INFO(run.out << run.err);
    report = json::parse(run.out);
  }
  Finished run;
  json report;
};

double latency(const json& report, const char* which) { return report.at("latencyMs").at(which).get<double>(); }

}  // namespace

TEST_CASE("a closed loop counts every request it sent, and so did the service") {
  Service service;
  const Bench bench({service.url, R"({"cmd":"sum"})", "[1,2,3]", "--duration", "200ms", "--in-flight", "4"});
  CHECK(bench.run.code == 0);
  CHECK(bench.report.at("loop") == "closed");
  CHECK(bench.report.at("inFlight") == 4);
  const auto sent = bench.report.at("sent").get<std::uint64_t>();
  CHECK(sent >= 4);
  CHECK(sent == service.messages());
  CHECK(bench.report.at("answered") == sent);
  CHECK(bench.report.at("failed") == 0);
  CHECK(bench.report.at("seconds").get<double>() >= 0.2);
  CHECK(bench.report.at("rate").get<double>() ==
        Approx(static_cast<double>(sent) / bench.report.at("seconds").get<double>()));
  CHECK(latency(bench.report, "p50") > 0);
  CHECK(latency(bench.report, "p50") <= latency(bench.report, "p90"));
  CHECK(latency(bench.report, "p90") <= latency(bench.report, "p99"));
  CHECK(latency(bench.report, "p99") <= latency(bench.report, "p99.9"));
  CHECK(latency(bench.report, "p99.9") <= latency(bench.report, "max"));
}

TEST_CASE("an open loop sends what was asked for") {
  Service service;
  const Bench bench({service.url, "echo", "1", "--duration", "500ms", "--rate", "200"});
  CHECK(bench.run.code == 0);
  CHECK(bench.report.at("loop") == "open");
  CHECK(bench.report.at("rateAsked") == 200);
  CHECK(bench.report.at("sent") == 100);
  CHECK(bench.report.at("answered") == 100);
  CHECK(bench.report.at("notSent") == 0);
  CHECK(service.messages() == 100);
}

TEST_CASE("in an open loop latency counts from the moment a message should have left") {
  // One at a time, each of which is answered by the deadline only: the second waits for the first, and so on.
  Service service;
  const Bench bench({service.url, "never", "1", "--duration", "300ms", "--rate", "100", "--in-flight", "1",
                     "--timeout", "200ms"});
  CHECK(bench.run.code == 2);
  const auto sent = bench.report.at("sent").get<int>();
  const auto not_sent = bench.report.at("notSent").get<int>();
  CHECK(sent < 30);
  CHECK(sent + not_sent == 30);   // nothing is forgotten
  CHECK(bench.report.at("late") >= sent - 1);
  CHECK(bench.report.at("failed") == sent);
  CHECK(bench.report.at("failures").at("timed_out").at("count") == sent);
  CHECK(bench.report.at("latencyMs").empty());   // of those that succeeded
}

TEST_CASE("a stall of the service shows in the latencies of all that had to wait") {
  // Held back by one handler at a time, which takes its time: what is asked for is more than it can do.
  Application slow(Config::from_json(
      {{"threads", 1},
       {"services",
        {{"slow",
          {{"transport", "tcp"}, {"maxConcurrency", 1}, {"options", {{"host", "127.0.0.1"}, {"port", 0}}}}}}}}));
  slow.on_message("work", [&slow]() -> task<void> {
    asio::steady_timer work(slow.runtime().next_loop().executor(), std::chrono::milliseconds(20));
    co_await work.async_wait(asio::use_awaitable);
  });
  slow.start();
  const Bench bench({slow.services().front().endpoint, "work", "1", "--duration", "400ms", "--rate", "200",
                     "--in-flight", "1"});
  CHECK(bench.run.code == 0);
  // 20 ms is what a closed loop would report. By the end the last sent are some 300 ms behind.
  CHECK(latency(bench.report, "max") > 150);
  CHECK(latency(bench.report, "p50") > 60);
  CHECK(bench.report.at("notSent").get<int>() > 0);
}

TEST_CASE("failures are counted by kind, with the first of each, and give the exit code") {
  Service service;
  const Bench none({service.url, "nobody", "1", "--duration", "50ms"});
  CHECK(none.run.code == 4);
  CHECK(none.report.at("answered") == 0);
  CHECK(none.report.at("failures").at("no_handler").at("count") == none.report.at("failed"));
  const Bench fail({service.url, "fail", "1", "--duration", "50ms"});
  CHECK(fail.run.code == 1);
  CHECK(fail.report.at("failures").at("rejected").at("first").at("body").at("code") == 7);

  const Finished text = ferry_tool({"bench", service.url, "fail", "1", "--duration", "50ms"});
  CHECK(has(text.out, "rejected "));
  CHECK(has(text.out, "no such user"));
  CHECK(text.code == 1);
}

TEST_CASE("bench without a connection is exit code 3, at once") {
  const std::string url = free_url();
  const Finished run = ferry_tool({"bench", url, "x", "1", "--duration", "1h"});
  CHECK(has(run.err, url));
  CHECK(run.code == 3);
  const Finished as_json = ferry_tool({"bench", url, "x", "1", "--json"});
  CHECK(json::parse(as_json.out).at("error").at("kind") == "not_connected");
  CHECK(as_json.code == 3);
}

TEST_CASE("a connection that is lost on the way is counted, and ends nothing early") {
  Listener service({"listen", "tcp://127.0.0.1:0", "tick"});   // a process, so that all it has goes with it
  Process process(command({"bench", service.url, "tick", "1", "--duration", "1s", "--rate", "100", "--json"}));
  service.process.line_of_stdout("\"tick\"");
  service.process.signal(SIGKILL);
  const Finished run = process.wait();
  const json report = json::parse(run.out);
  INFO(run.out);
  CHECK(report.at("sent") == 100);
  CHECK(report.at("failed").get<int>() >= 1);
  for (const auto& [kind, failures] : report.at("failures").items()) {
    CHECK((kind == "connection_lost" || kind == "not_connected"));
  }
  CHECK(report.at("seconds").get<double>() >= 0.99);   // the last is due 10 ms before the end
  CHECK(run.code == 3);
}

TEST_CASE("bench --events emits") {
  Service service;
  const Bench bench({service.url, "happened", R"({"id":7})", "--events", "--rate", "100", "--duration", "200ms",
                     "--header", "tenant=acme"});
  CHECK(bench.run.code == 0);
  CHECK(bench.report.at("emitted") == 20);
  REQUIRE(service.seen.wait([](const auto& all) { return all.size() == 20; }));
  CHECK(service.seen.get().front().first == R"({"id":7})");
  CHECK(service.seen.get().front().second == Headers().set("tenant", "acme"));
}

TEST_CASE("SIGINT ends bench early, with the report") {
  Service service;
  for (const char* rate : {"0.01", "100"}) {   // asleep until the next message, and busy
    const std::uint64_t before = service.echoes.get();
    Process process(command({"bench", service.url, "echo", "1", "--duration", "1h", "--rate", rate}));
    REQUIRE(service.received_more_than(before));
    process.signal(SIGINT);
    const Finished run = process.wait();
    INFO(run.out << run.err);
    CHECK(has(run.out, "open loop: "));
    CHECK(has(run.out, "failed   0"));
    CHECK(run.code == 0);
  }
}

TEST_CASE("progress is shown on a terminal, and nowhere else") {
  Service service;
  const std::vector<std::string> arguments{"bench", service.url, "echo", "1", "--duration", "700ms"};
  const Finished piped = ferry_tool(arguments);
  CHECK(piped.err.empty());
  CHECK_FALSE(has(piped.out, "\x1b"));
  if (access("/usr/bin/script", X_OK) != 0) {
    WARN("script(1) is not there: the terminal's side was not tested");
    return;
  }
  std::string line;
  for (const std::string& word : command(arguments)) line += "'" + word + "' ";
  const Finished terminal = Process({"/usr/bin/script", "-qec", line, "/dev/null"}).wait();
  CHECK(has(terminal.out, "\r\x1b[K0."));
  CHECK(has(terminal.out, "/s   p50 "));
  CHECK(has(terminal.out, "\r\x1b[Kclosed loop: "));   // the report is alone
  CHECK(terminal.code == 0);
}
