// Applications that start, talk and stop, over and over: no hang, no leak, every call with one outcome.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <unistd.h>

#include "../support/await.hpp"
#include "../support/gate.hpp"
#include "../support/outcome.hpp"
#include "../support/usage.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int calls = 16;

Config service_config(std::uint16_t port) {
  return Config::from_json(
      {{"threads", 2},
       {"services", {{"S", {{"transport", "tcp"}, {"options", {{"host", "127.0.0.1"}, {"port", port}}}}}}}});
}

Config client_config(std::uint16_t port) {
  return Config::from_json({{"threads", 1},
                            {"clients",
                             {{"C", {{"url", "tcp://127.0.0.1:" + std::to_string(port)},
                                     {"timeout", "10s"},
                                     {"reconnect", {{"backoff", "1ms"}, {"maxBackoff", "2ms"}}}}}}}});
}

/// `never` counts its calls in `started`.
void add_handlers(Application& app, Counter& started) {
  app.on_message("echo", [](Payload payload) { return payload; });
  app.on_message("count", [](int to, ReplyWriter<int>& out) -> task<void> {
    for (int i = 1; i <= to; ++i) co_await out.write(i);
  });
  app.on_message("never", [&started](int) -> task<int> {
    started.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
    co_return 0;
  });
  app.on_event("noted", [](int) {});
}

void start_calls(const Client& client, Outcomes& outcomes, const char* pattern) {
  for (int i = 0; i < calls; ++i) outcomes.start(client, client.send<int>(pattern, i));
}

/// Runs cycles and looks at what is left of each kind of thing.
class Cycles {
 public:
  explicit Cycles(const char* name) : name_(name) {}

  template <class F>
  void run(int count, F cycle) {
    const int warm = count / 10;   // lazily made things are made by then
    for (int i = 0; i < count; ++i) {
      if (i == warm) before_ = usage_of(getpid());
      const auto begin = Clock::now();
      cycle();
      const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
      took_.push_back(took.count());
    }
    judge(usage_of(getpid()));
  }

 private:
  void judge(const Usage& after) {
    std::sort(took_.begin(), took_.end());
    double all = 0;
    for (const double each : took_) all += each;
    const double before = static_cast<double>(before_.resident_bytes) / (1 << 20);
    const double now = static_cast<double>(after.resident_bytes) / (1 << 20);
    std::printf(
        "%s: %zu cycles in %.1f s, p50 %.1f p99 %.1f max %.1f ms; threads %zu -> %zu, descriptors %zu -> %zu, memory %.1f "
        "-> %.1f MiB\n",
        name_, took_.size(), all / 1000, took_[took_.size() / 2], took_[took_.size() * 99 / 100], took_.back(),
        before_.threads, after.threads, before_.descriptors, after.descriptors, before, now);
    CHECK(after.threads == before_.threads);
    CHECK(after.descriptors == before_.descriptors);
    if (!sanitized) CHECK(now < before + 4);
    CHECK(took_.back() < 5000);   // nothing waited for a limit
    if (!sanitized) CHECK(took_[took_.size() / 2] < 50);
  }

  const char* name_;
  std::vector<double> took_;   // milliseconds
  Usage before_;
};

}  // namespace

TEST_CASE("start, traffic, stop: the peer is up") {
  Cycles("peer up").run(1000, [client_first = false]() mutable {
    Counter started;
    Outcomes outcomes;
    auto service = std::make_unique<Application>(service_config(0));
    add_handlers(*service, started);
    service->start();
    const std::string endpoint = service->services().front().endpoint;
    auto caller = std::make_unique<Application>(client_config(
        static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)))));
    {
      const Client client = caller->client("C");
      start_calls(client, outcomes, "echo");
      outcomes.start(client, client.send<int>("count", 10));
      outcomes.start<Emitted>(client, client.emit("noted", 1));
      if (!outcomes.reach(calls + 2)) FAIL("a call has no outcome");
    }
    if (outcomes.succeeded() != std::size_t{calls + 2}) FAIL_CHECK("a call failed");
    client_first = !client_first;
    if (client_first) caller.reset();
    if (!service->stop()) FAIL_CHECK("the service was cut off");
  });
}

TEST_CASE("start, traffic, stop: the peer is down") {
  const std::uint16_t port = free_port();
  Cycles("peer down").run(500, [&] {
    Counter started;
    Outcomes outcomes;
    Application service(service_config(0));
    add_handlers(service, started);
    service.start();
    Application caller(client_config(port));
    const Client client = caller.client("C");
    start_calls(client, outcomes, "echo");
    if (!outcomes.reach(calls)) FAIL("a call has no outcome");
    if (outcomes.succeeded() != 0) FAIL_CHECK("a call succeeded without a service");
    if (!caller.stop() || !service.stop()) FAIL_CHECK("cut off");
  });
}

TEST_CASE("start, traffic, stop: the peer vanishes in the middle") {
  set_log_level(LogLevel::off);
  const std::uint16_t port = free_port();
  Cycles("peer vanishes").run(500, [&, turn = 0]() mutable {
    Gate gate(port);   // gone with the cycle, and all that it holds
    Counter started;
    Outcomes outcomes;
    auto service = std::make_unique<Application>(service_config(port));
    add_handlers(*service, started);
    service->start();
    Application caller(client_config(gate.port()));
    const Client client = caller.client("C");
    client.send<int>("echo", 1).get();   // the gate knows the connection, then
    start_calls(client, outcomes, "never");
    start_calls(client, outcomes, "echo");
    if (!started.reaches(calls)) FAIL("a call did not arrive");
    switch (turn++ % 3) {
      case 0: gate.cut(); break;
      case 1:   // the service vanishes, and the client goes on trying
        gate.cut();
        service->stop();
        break;
      case 2:   // the client vanishes with calls under way
        if (!outcomes.reach(calls)) FAIL("an answered call has no outcome");
        if (!caller.stop()) FAIL_CHECK("the client was cut off");
        break;
    }
    if (!outcomes.reach(2 * calls)) FAIL("a call has no outcome");
    if (!caller.stop() || !service->stop()) FAIL_CHECK("cut off");
    if (outcomes.codes().size() != std::size_t{2 * calls}) FAIL_CHECK("a call has two outcomes");
  });
  set_log_level(LogLevel::info);
}
