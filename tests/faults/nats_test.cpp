// NATS servers that die and come back, and services that cannot keep up: nothing is stuck, and what JetStream confirmed
// is not lost.

#include <atomic>
#include <barrier>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include <asio/steady_timer.hpp>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "kills.hpp"
#include "ledger.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

namespace {

const json soon{{"backoff", "10ms"}, {"maxBackoff", "50ms"}};

Config service_config(const Broker& broker, json options, json settings = json::object()) {
  options["servers"] = {broker.url()};
  settings["transport"] = "nats";
  settings["options"] = options;
  settings["reconnect"] = soon;
  return Config::from_json({{"threads", 1}, {"services", {{"S", settings}}}});
}

Config client_config(const Broker& broker, json options, json settings = json::object()) {
  options["servers"] = {broker.url()};
  settings["transport"] = "nats";
  settings["options"] = options;
  settings["reconnect"] = soon;
  return Config::from_json({{"threads", 1}, {"clients", {{"C", settings}}}});
}

}  // namespace

TEST_CASE("nats: the server dies under load: every call ends, and calls work again") {
  set_log_level(LogLevel::off);
  EchoLoad load;
  Broker broker("nats");
  Application service(service_config(broker, {}));
  service.on_message("echo", [](Payload payload) { return payload; });
  service.start();
  Application application(client_config(broker, {}, {{"timeout", "2s"}}));
  const Client client = application.client("C");
  kill_under_load(load, client, broker, 3);
  set_log_level(LogLevel::error);
}

TEST_CASE("nats: a service that cannot keep up holds a bounded number of messages") {
  constexpr int count = 2000;
  const std::string large(10000, 'x');
  Broker broker("nats");
  std::atomic<bool> open{false};
  Counter handled;
  Application service(service_config(broker, {{"maxPendingBytes", "256KiB"}}, {{"maxConcurrency", 4}}));
  service.on_event("slow", [&](std::string) -> task<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!open) {
      timer.expires_after(1ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    handled.add();
  });
  service.start();
  Application application(client_config(broker, {}));
  const Client client = application.client("C");
  for (int i = 0; i < count; ++i) client.emit("slow", large).get();   // 20 MB, within what the server holds for us
  CHECK(handled.get() == 0);
  CHECK(service.services().front().active < 20);   // a few more than maxConcurrency: what one read brought
  open = true;
  CHECK(handled.reaches(count));
  CHECK(service.services().front().peer_errors == 0);
}

TEST_CASE("nats: of 100000 stored events none is lost when the server is killed twice") {
  set_log_level(LogLevel::off);
  Ledger ledger;
  Broker broker("nats");
  Application service(service_config(broker, {{"ackWait", "2s"}}, {{"delivery", "at-least-once"}}));
  ledger.hear(service);
  service.start();
  Application emitter(client_config(broker, {{"mode", "jetstream"}}, {{"timeout", "5s"}}));
  // The same id each time: the stream takes an event once. But the server writes acknowledgements down when it has time, and
  // delivers again what it had not.
  ledger.keep(emitter.client("C"), broker, 240s,
              {.again = 2 * Ledger::messages,
               .options = [](int n) { return SendOptions().header("Nats-Msg-Id", "n" + std::to_string(n)); }});
  set_log_level(LogLevel::error);
}

TEST_CASE("nats: what no handler can do goes to the dead letters, and nowhere else") {
  set_log_level(LogLevel::off);
  Broker broker("nats");
  Counter tried;
  Watched<Headers> dead;
  Application service(service_config(broker, {{"maxDeliver", 3}, {"redeliveryDelay", 10}}, {{"delivery", "at-least-once"}}));
  service.on_event("hopeless", [&](int) {
    tried.add();
    throw std::runtime_error("no");
  });
  service.start();
  // Dead letters are messages like others: this one listens to them as they are stored.
  Application undertaker(service_config(broker, {}));
  undertaker.on_event("dead.ferry.hopeless", [&](Context& context) {
    dead.change([&](Headers& headers) { headers = context.headers(); });
  });
  undertaker.start();
  Application application(client_config(broker, {{"mode", "jetstream"}}));
  CHECK(application.client("C").emit("hopeless", 1, SendOptions().header("tenant", "acme")).get() == Emitted::confirmed);
  REQUIRE(dead.wait([](const Headers& headers) { return !headers.empty(); }));
  CHECK(tried.get() == 3);
  CHECK(dead.get().get("Dead-Letter-Attempts") == "3");
  CHECK(dead.get().get("Dead-Letter-Subject") == "ferry.hopeless");
  CHECK(dead.get().get("tenant") == "acme");
  set_log_level(LogLevel::error);
}

TEST_CASE("nats: who creates a stream at the same time as others does not fail for it") {
  Broker broker("nats");
  for (int round = 0; round < 60; ++round) {
    const std::string name = "s" + std::to_string(round);
    const json options{{"mode", "jetstream"}, {"stream", name}, {"subjectPrefix", name + "."}};
    std::barrier together(4);
    std::vector<std::future<void>> all;
    for (int i = 0; i < 4; ++i) {
      all.push_back(std::async(std::launch::async, [&] {
        Application application(service_config(broker, options, {{"delivery", "at-least-once"}}));
        application.on_event("x", [](int) {});
        together.arrive_and_wait();
        application.start();
      }));
    }
    for (auto& each : all) CHECK_NOTHROW(each.get());
  }
}
