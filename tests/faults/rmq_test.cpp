// A RabbitMQ broker that dies, hangs, blocks or refuses, and messages nobody can handle. One broker for all cases, as it
// takes long to start; each has queues of its own.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "../support/gate.hpp"
#include "../support/outcome.hpp"
#include "../support/rmq_peer.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "kills.hpp"
#include "ledger.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const json soon{{"backoff", "20ms"}, {"maxBackoff", "100ms"}};
const json at_least_once{{"delivery", "at-least-once"}};

/// It ends with the process.
Broker& broker() {
  static Broker& one = *new Broker("rabbitmq");
  if (!one.running()) one.start();
  return one;
}

json options_of(const std::string& queue, const json& more = json::object()) {
  json options{{"urls", {broker().url()}}, {"queue", queue}};
  options.update(more);
  return options;
}

Config service_config(const json& options, const json& more = json::object()) {
  json service{{"transport", "rmq"}, {"options", options}, {"reconnect", soon}};
  service.update(more);
  return Config::from_json({{"threads", 1}, {"services", {{"s", service}}}});
}

Config client_config(const json& options, const json& more = json::object()) {
  json client{{"transport", "rmq"}, {"options", options}, {"reconnect", soon}, {"timeout", "60s"}};
  client.update(more);
  return Config::from_json({{"threads", 1}, {"clients", {{"C", client}}}});
}

std::string text_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// No log, and back to errors at the end.
struct Quiet {
  Quiet() { set_log_level(LogLevel::off); }
  ~Quiet() { set_log_level(LogLevel::error); }
};

void kill_under_load(const std::string& queue, const json& service_more) {
  const Quiet quiet;
  EchoLoad load;
  Application service(service_config(options_of(queue), service_more));
  service.on_message("echo", [](int n) { return n; });
  service.start();
  Application caller(client_config(options_of(queue), {{"timeout", "5s"}}));   // what the broker forgot is not answered
  const Client client = caller.client("C");
  kill_under_load(load, client, broker(), 2, 90s);
}

}  // namespace

TEST_CASE("rmq: killed under load, no request is stuck") { kill_under_load("load", json::object()); }
TEST_CASE("rmq with acknowledgements: killed under load, no request is stuck") { kill_under_load("load-acks", at_least_once); }

TEST_CASE("rmq: of 100000 confirmed events none is lost when the broker is killed twice") {
  const Quiet quiet;
  Ledger ledger;
  Application service(service_config(options_of("ledger"), at_least_once));
  ledger.hear(service);
  service.start();
  Application emitter(client_config(options_of("ledger", {{"persistent", true}})));
  ledger.keep(emitter.client("C"), broker(), 180s);
}

TEST_CASE("rmq: a memory alarm blocks who publishes, and lets go of them") {
  const Quiet quiet;
  Application emitter(client_config(options_of("alarm")));
  const Client client = emitter.client("C");
  Counter blocked;
  Counter connected;
  client.on_status([&](const StatusEvent& event) {
    if (event.status == Status::blocked) blocked.add();
    if (event.status == Status::connected) connected.add();
  });
  client.emit("e", 1).get();
  CHECK(connected.get() == 1);
  broker().tell("vm_memory_monitor set_vm_memory_high_watermark [{absolute,1}]");
  Counter confirmed;
  asio::co_spawn(client.loop().executor(), client.emit("e", 2, SendOptions().timeout(60s)), [&](std::exception_ptr error, Emitted) {
    if (!error) confirmed.add();
  });
  CHECK(blocked.reaches(1));
  CHECK(code_of([&] { client.emit("e", 3, SendOptions().timeout(100ms)).get(); }) == errc::timed_out);
  CHECK(confirmed.get() == 0);
  broker().tell("vm_memory_monitor set_vm_memory_high_watermark [0.9]");
  CHECK(confirmed.reaches(1));
  CHECK(connected.reaches(2));
  CHECK(client.emit("e", 4).get() == Emitted::confirmed);
}

TEST_CASE("rmq: a broker that hangs is found by its heartbeats") {
  const Quiet quiet;
  Counter lost;
  Counter found;
  Application service(service_config(options_of("hang", {{"socketOptions", {{"heartbeatIntervalInSeconds", 1}}}})));
  service.on_message("echo", [](int n) { return n; });
  service.on_status([&](std::string_view, const StatusEvent& event) {
    if (event.status == Status::disconnected) lost.add();
    if (event.status == Status::connected) found.add();
  });
  service.start();
  kill(broker().pid(), SIGSTOP);
  CHECK(lost.reaches(1));
  kill(broker().pid(), SIGCONT);
  CHECK(found.reaches(2));
}

TEST_CASE("rmq: the connection lives while nothing is sent, and while a handler works") {
  const Quiet quiet;
  const Gate to_service(broker().port());
  const Gate to_caller(broker().port());
  const auto options = [](const Gate& gate) {
    return options_of("idle", {{"urls", {"amqp://127.0.0.1:" + std::to_string(gate.port())}},
                               {"socketOptions", {{"heartbeatIntervalInSeconds", 1}}}});
  };
  Application service(service_config(options(to_service), {{"handlers", "pool"}}));
  service.on_message("work", [&](int n) {
    // Longer than two intervals, past which either side counts the other as lost.
    constexpr std::size_t heartbeats = 8 * 8;   // of 8 bytes each, two in an interval
    return to_service.carries(heartbeats) && to_caller.carries(heartbeats) ? n : 0;
  });
  Counter lost;
  service.on_status([&](std::string_view, const StatusEvent& event) {
    if (event.status == Status::disconnected) lost.add();
  });
  service.start();
  Application caller(client_config(options(to_caller)));
  const Client client = caller.client("C");
  CHECK(client.send<int>("work", 7).get() == 7);
  CHECK(client.counters().connects == 1);
  CHECK(lost.get() == 0);
}

TEST_CASE("rmq: an event whose handler always fails is tried so often, then kept with the dead letters") {
  const Quiet quiet;
  Counter tried;
  json options = options_of("poison", {{"maxDeliver", 3}, {"redeliveryDelay", "10ms"}});
  Application service(service_config(options, at_least_once));
  service.on_event("job", [&](int) {
    tried.add();
    throw std::runtime_error("never");
  });
  Counter good;
  service.on_event("good", [&](int) { good.add(); });
  Counter reported;
  service.on_error([&](std::string_view, const Failure&) { reported.add(); });
  service.start();
  Application emitter(client_config(options_of("poison")));
  const Client client = emitter.client("C");
  client.emit("job", 7, SendOptions().header("tenant", "acme")).get();
  for (int i = 0; i < 100; ++i) client.emit("good", i).get();
  CHECK(good.reaches(100));   // it is in nobody's way
  RmqPeer peer(broker().port());
  const RmqPeer::Message dead = peer.take("poison.dead");
  CHECK(tried.get() == 3);
  CHECK(dead.body == R"({"pattern":"job","data":7})");
  CHECK_THAT(dead.headers, Catch::Contains("tenant=acme\n") && Catch::Contains("ferry-deliveries=3\n") && Catch::Contains("ferry-queue=poison\n"));
  peer.publish("poison", "no message at all");
  CHECK(peer.take("poison.dead").body == "no message at all");
  CHECK(reported.reaches(1));
  CHECK(service.stop());
  CHECK(peer.count("poison") == 0);
  CHECK(peer.count("poison.retry") == 0);
}

TEST_CASE("rmq: a queue's own dead-letter exchange takes what nobody can handle, quorum queues included") {
  const Quiet quiet;
  const std::string kind = GENERATE("classic", "quorum");
  const std::string queue = "refused-" + kind;
  RmqPeer peer(broker().port());
  peer.declare(queue + "-graves");
  peer.declare_exchange(queue + "-dlx", "fanout", queue + "-graves");
  const json queue_options{{"deadLetterExchange", queue + "-dlx"}, {"arguments", {{"x-queue-type", kind}}}};
  const json options = options_of(queue, {{"queueOptions", queue_options}});
  json service_options = options;
  service_options.update({{"maxDeliver", 2}, {"redeliveryDelay", "10ms"}});
  Counter tried;
  Application service(service_config(service_options, at_least_once));
  service.on_event("job", [&](int) {
    tried.add();
    throw std::runtime_error("never");
  });
  service.start();
  Application emitter(client_config(options));
  const Client client = emitter.client("C");
  client.emit("job", 1).get();
  CHECK(peer.take(queue + "-graves").body == R"({"pattern":"job","data":1})");
  CHECK(tried.get() == 2);
  client.emit("unknown", 2).get();
  CHECK(peer.take(queue + "-graves").body == R"({"pattern":"unknown","data":2})");
}

TEST_CASE("rmq: what a handler says counts") {
  const Quiet quiet;
  const json queue_options{{"deadLetterExchange", ""}, {"deadLetterRoutingKey", "manual-graves"}};
  RmqPeer peer(broker().port());
  peer.declare("manual-graves");
  Counter again;
  Counter acked;
  std::atomic<bool> redelivered{false};
  Watched<std::string> seen;
  Application service(service_config(options_of("manual", {{"noAck", false}, {"prefetchCount", 1}, {"queueOptions", queue_options}})));
  service.on_event("job", [&](int n, Context& context) {
    auto& rmq = *context.as<RmqContext>();
    if (n == 1) {
      acked.add();
      rmq.ack();
      throw std::runtime_error("too late: it is acknowledged");
    }
    if (n == 2 && !rmq.redelivered()) return rmq.nack(true);
    if (n == 2) redelivered = true, again.add();
    if (n == 3) rmq.reject(false);
  });
  service.on_message("who", [&](Context& context) {
    const auto& rmq = *context.as<RmqContext>();
    const auto& p = rmq.properties();
    return rmq.pattern() + " " + rmq.routing_key() + " " + p.message_id + " " + std::to_string(p.priority.value_or(0)) + " " +
           std::string(p.headers.get("tenant").value_or(""));
  });
  service.start();
  Application emitter(client_config(options_of("manual", {{"queueOptions", queue_options}})));
  const Client client = emitter.client("C");
  for (const int n : {1, 2, 3}) client.emit("job", n).get();
  CHECK(acked.reaches(1));
  CHECK(again.reaches(1));
  CHECK(redelivered);
  CHECK(peer.take("manual-graves").body == R"({"pattern":"job","data":3})");
  const SendOptions options = SendOptions().record({{"messageId", "m-1"}, {"priority", 3}}).header("tenant", "acme");
  CHECK(client.send<std::string>("who", 1, options).get() == "who manual m-1 3 acme");
  CHECK(code_of([&] { client.emit("job", 1, SendOptions().record({{"priority", "high"}})).get(); }) == errc::unsupported);
  CHECK(service.stop());
  CHECK(peer.count("manual") == 0);
}

TEST_CASE("rmq: who acknowledges what needs no acknowledgement is told so") {
  const Quiet quiet;
  Application service(service_config(options_of("noack")));
  service.on_message("ack", [](Context& context) { context.as<RmqContext>()->ack(); });
  service.on_message("echo", [](int n) { return n; });
  service.start();
  Application caller(client_config(options_of("noack")));
  const Client client = caller.client("C");
  CHECK(code_of([&] { client.send<void>("ack", 1).get(); }) == errc::rejected);
  CHECK(client.send<int>("echo", 2).get() == 2);   // the channel is there still
  CHECK(client.counters().connects == 1);
}

TEST_CASE("rmq: a service whose queue is deleted declares it again") {
  const Quiet quiet;
  Counter connected;
  Watched<std::string> why;
  Application service(service_config(options_of("deleted")));
  service.on_message("echo", [](int n) { return n; });
  service.on_status([&](std::string_view, const StatusEvent& event) {
    if (event.status == Status::connected) connected.add();
    if (event.status == Status::disconnected) why.change([&](std::string& text) { text = event.detail; });
  });
  service.start();
  RmqPeer(broker().port()).remove("deleted");
  CHECK(connected.reaches(2));
  CHECK_THAT(why.get(), Catch::Contains("the queue was deleted"));
  Application caller(client_config(options_of("deleted")));
  CHECK(caller.client("C").send<int>("echo", 1).get() == 1);
}

TEST_CASE("rmq: what no queue takes is an error") {
  const Quiet quiet;
  const json through{{"exchange", "nobody"}, {"wildcards", true}};
  Application caller(client_config(options_of("", through)));
  const Client client = caller.client("C");
  CHECK(code_of([&] { client.send<int>("no.body", 1).get(); }) == errc::no_handler);
  CHECK(client.emit("no.body", 1).get() == Emitted::confirmed);   // as NestJS has it
  CHECK(code_of([&] { client.emit("no.body", 1, SendOptions().record({{"mandatory", true}})).get(); }) == errc::no_handler);
  json strict = through;
  strict["mandatory"] = true;
  Application strict_caller(client_config(options_of("", strict)));
  const Client strict_client = strict_caller.client("C");
  for (int i = 0; i < 20; ++i) CHECK(code_of([&] { strict_client.emit("no.body", 1).get(); }) == errc::no_handler);
  CHECK(client.counters().connects == 1);
}

TEST_CASE("rmq: what the broker refuses is told with its words and what to do") {
  const Quiet quiet;
  RmqPeer peer(broker().port());
  peer.declare("fleeting", false);
  const json once{{"reconnect", {{"attempts", 0}}}, {"timeout", "20s"}};
  const auto connect = [&](const json& options) {
    Application caller(client_config(options, once));
    return text_of([&] { caller.client("C").connect().get(); });
  };
  CHECK_THAT(connect(options_of("fleeting")), Catch::Contains("declaring the queue \"fleeting\"") && Catch::Contains("PRECONDITION_FAILED") &&
                                                  Catch::Contains("'durable'") && Catch::Contains("noAssert"));
  json wrong = options_of("q");
  const std::string place = "127.0.0.1:" + std::to_string(broker().port());
  wrong["urls"] = {"amqp://guest:wr0ng@" + place};
  CHECK_THAT(connect(wrong), Catch::Contains("ACCESS_REFUSED") && Catch::Contains("check user, password") && !Catch::Contains("wr0ng"));
  wrong["urls"] = {"amqp://" + place + "/nowhere"};
  CHECK_THAT(connect(wrong), Catch::Contains("nowhere") && Catch::Contains("check the virtual host"));
  CHECK_THAT(connect(options_of("q", {{"replyQueue", "no-such-queue"}})), Catch::Contains("NOT_FOUND") && Catch::Contains("no-such-queue"));
  CHECK_THAT(connect(options_of("missing", {{"noAssert", true}, {"exchange", "no-such"}, {"routingKey", "k"}})), Catch::Contains("NOT_FOUND"));
}

TEST_CASE("rmq: of several brokers any will do") {
  const Quiet quiet;
  json options = options_of("several");
  options["urls"] = {"amqp://127.0.0.1:1", broker().url(), "amqp://127.0.0.1:2"};
  Application service(service_config(options));
  service.on_message("echo", [](int n) { return n; });
  service.start();
  Application caller(client_config(options));
  CHECK(caller.client("C").send<int>("echo", 5).get() == 5);
}

TEST_CASE("rmq: replies over a queue of the client's own, acknowledged") {
  const Quiet quiet;
  RmqPeer peer(broker().port());
  peer.declare("answers");
  Application service(service_config(options_of("named")));
  service.on_message("echo", [](int n) { return n; });
  service.start();
  {
    Application caller(client_config(options_of("named", {{"replyQueue", "answers"}, {"noAck", false}, {"prefetchCount", 1}})));
    const Client client = caller.client("C");
    for (int i = 0; i < 20; ++i) CHECK(client.send<int>("echo", i).get() == i);
  }
  CHECK(peer.count("answers") == 0);
}

TEST_CASE("rmq: a slow service holds the broker back, and nothing is lost") {
  const Quiet quiet;
  constexpr int messages = 300;
  Counter handled;
  std::atomic<bool> slow{true};
  Application service(service_config(options_of("slow"), {{"maxConcurrency", 1}}));
  service.on_event("heavy", [&](const std::string&) -> task<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (slow) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    handled.add();
  });
  service.start();
  Application emitter(client_config(options_of("slow")));
  const Client client = emitter.client("C");
  const std::string big(200'000, 'x');
  for (int i = 0; i < messages; ++i) client.emit("heavy", big).get();   // far more than the sockets hold
  CHECK(handled.get() == 0);
  slow = false;
  CHECK(handled.reaches(messages));
}
