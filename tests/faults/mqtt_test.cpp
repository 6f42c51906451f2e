// A Mosquitto that dies, refuses or is slow to be read. Each case has one of its own.

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "../support/gate.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "kills.hpp"
#include "ledger.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using namespace std::string_literals;
using nlohmann::json;

namespace {

const json soon{{"backoff", "20ms"}, {"maxBackoff", "100ms"}};
const json at_least_once{{"delivery", "at-least-once"}};
const char* const usual = "set_tcp_nodelay true\nmax_queued_messages 0";

std::string url_of(std::uint16_t port) { return "mqtt://127.0.0.1:" + std::to_string(port); }

Config config_of(const char* role, const char* name, std::uint16_t port, json options, json settings) {
  options["url"] = url_of(port);
  settings.update({{"transport", "mqtt"}, {"options", options}, {"reconnect", soon}});
  return Config::from_json({{"threads", 1}, {role, {{name, settings}}}});
}
Config service_config(std::uint16_t port, const json& options = json::object(), const json& settings = json::object()) {
  return config_of("services", "S", port, options, settings);
}
Config client_config(std::uint16_t port, const json& options = json::object(), json settings = json::object()) {
  if (!settings.contains("timeout")) settings["timeout"] = "20s";
  return config_of("clients", "C", port, options, settings);
}

struct Quiet {
  Quiet() { set_log_level(LogLevel::off); }
  ~Quiet() { set_log_level(LogLevel::error); }
};

task<void> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

/// A server that takes one connection, answers each packet in turn with what it is given, and then waits for the end.
class FakeServer {
 public:
  explicit FakeServer(std::vector<std::string> answers)
      : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}), thread_([this, answers = std::move(answers)] { run(answers); }) {}
  ~FakeServer() { thread_.join(); }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void run(const std::vector<std::string>& answers) {
    asio::ip::tcp::socket socket(io_);
    std::error_code error;
    acceptor_.accept(socket, error);
    char bytes[4096];
    for (const std::string& answer : answers) {
      if (socket.read_some(asio::buffer(bytes), error) == 0) return;
      asio::write(socket, asio::buffer(answer), error);
    }
    while (!error) socket.read_some(asio::buffer(bytes), error);
  }

  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

void kill_under_load(const json& service_options, const json& client_options, const json& settings) {
  const Quiet quiet;
  EchoLoad load;
  Broker broker("mosquitto", usual);
  Application service(service_config(broker.port(), service_options, settings));
  service.on_message("echo", [](int n) { return n; });
  service.start();
  Application caller(client_config(broker.port(), client_options, {{"timeout", "2s"}}));
  const Client client = caller.client("C");
  kill_under_load(load, client, broker, 2);
}

}  // namespace

TEST_CASE("mqtt: killed under load, no request is stuck") { kill_under_load({}, {}, json::object()); }

TEST_CASE("mqtt: killed under load with QoS 1 and a session that lasts, no request is stuck") {
  kill_under_load({{"clientId", "s"}, {"protocolVersion", 5}}, {{"qos", 1}, {"protocolVersion", 5}}, at_least_once);
}

TEST_CASE("mqtt: of 100000 confirmed events none is lost when the server is killed twice") {
  const Quiet quiet;
  Ledger ledger;
  // It confirms before it saves. So it must save often, and must not keep to itself what it has confirmed: that goes to a
  // subscriber at once if there is no limit of messages in flight.
  Broker broker("mosquitto", std::string(usual) + "\nmax_inflight_messages 0\nautosave_on_changes true\nautosave_interval 500");
  Application service(service_config(broker.port(), {{"clientId", "ledger"}, {"properties", {{"receiveMaximum", 65535}}}}, at_least_once));
  ledger.hear(service);
  service.start();
  Application emitter(client_config(broker.port(), {{"qos", 1}}, {{"emitTimeout", "10s"}}));
  ledger.keep(emitter.client("C"), broker, 240s, {.ahead = 3000});
}

TEST_CASE("mqtt: a message is acknowledged when its handler is done, and not before") {
  const Quiet quiet;
  Broker broker("mosquitto", usual);
  Counter begun;
  Counter done;
  const json options{{"clientId", "s"}};
  Application application(client_config(broker.port(), {{"qos", 1}}));
  const Client client = application.client("C");
  {
    json document = service_config(broker.port(), options, at_least_once).root();
    document["shutdownTimeout"] = "10ms";
    Application first(Config::from_json(document));
    first.on_event("kept", [&](int) -> task<void> {
      begun.add();
      co_await pause(1h);
    });
    first.start();
    client.emit("kept", 1).get();
    client.emit("kept", 2).get();
    REQUIRE(begun.reaches(2));
  }
  Application second(service_config(broker.port(), options, at_least_once));
  second.on_event("kept", [&](MqttContext& context) {
    CHECK(context.packet().duplicate);
    done.add();
  });
  second.start();
  CHECK(done.reaches(2));
}

TEST_CASE("mqtt: QoS 2 arrives once, however often the connections are cut") {
  const Quiet quiet;
  constexpr int count = 300;
  Broker broker("mosquitto", usual);
  Gate service_gate(broker.port());
  std::vector<std::atomic<int>> seen(count);
  Counter handled;
  Application service(service_config(service_gate.port(), {{"clientId", "s"}, {"subscribeOptions", {{"qos", 2}}}}, at_least_once));
  service.on_event("numbered", [&](std::size_t n) -> task<void> {
    co_await pause(1ms);   // so that cuts come while handlers run
    ++seen.at(n);
    handled.add();
  });
  service.start();
  Application application(client_config(broker.port(), {{"qos", 2}}));
  const Client client = application.client("C");
  for (int i = 0; i < count; ++i) {
    client.emit("numbered", i).get();
    if (i % 50 == 49) service_gate.cut();
  }
  REQUIRE(handled.reaches(count));
  for (const auto& each : seen) CHECK(each == 1);
}

TEST_CASE("mqtt: what no handler can do goes to the dead letters, and holds up nobody") {
  const Quiet quiet;
  for (const int version : {4, 5}) {
    Broker broker("mosquitto", usual);
    Counter tried;
    Counter others;
    Watched<json> dead;
    Application service(service_config(broker.port(), {{"clientId", "s"}, {"maxDeliver", 3}, {"retryDelay", 10}, {"protocolVersion", version}},
                                       at_least_once));
    service.on_event("hopeless", [&](int) {
      tried.add();
      throw std::runtime_error("no");
    });
    service.on_event("fine", [&](int) { others.add(); });
    service.start();
    Application undertaker(service_config(broker.port(), {{"protocolVersion", version}}));
    undertaker.on_event("dead/#", [&](const json& data, MqttContext& context) {
      json headers = json::object();
      for (const auto& [name, value] : context.packet().user_properties) headers[name] = value;
      dead.change([&](json& all) { all = {{"topic", context.topic()}, {"data", data}, {"headers", headers}}; });
    });
    undertaker.start();
    Application application(client_config(broker.port(), {{"qos", 1}, {"protocolVersion", version}}));
    const Client client = application.client("C");
    CHECK(client.emit("hopeless", 7, SendOptions().header("tenant", "acme")).get() == Emitted::confirmed);
    for (int i = 0; i < 200; ++i) client.emit("fine", i).get();
    REQUIRE(dead.wait([](const json& letter) { return !letter.is_null(); }));
    CHECK(others.reaches(200));
    CHECK(tried.get() == 3);
    CHECK(dead.get()["topic"] == "dead/hopeless");
    CHECK(dead.get()["data"] == 7);
    if (version == 5) {
      CHECK(dead.get()["headers"] == json{{"tenant", "acme"}, {"dead-letter-topic", "hopeless"}, {"dead-letter-attempts", "3"}});
    }
  }
}

TEST_CASE("mqtt: a service that cannot keep up holds a bounded number of messages") {
  const Quiet quiet;
  constexpr int count = 2000;
  const std::string large(10000, 'x');
  Broker broker("mosquitto", usual);
  std::atomic<bool> open{false};
  Counter handled;
  Application service(service_config(broker.port(), {{"subscribeOptions", {{"qos", 1}}}}, {{"maxConcurrency", 4}}));
  service.on_event("slow", [&](std::string) -> task<void> {
    while (!open) co_await pause(1ms);
    handled.add();
  });
  service.start();
  Application application(client_config(broker.port(), {{"qos", 1}}));
  const Client client = application.client("C");
  for (int i = 0; i < count; ++i) client.emit("slow", large).get();   // the server keeps what the service does not take
  CHECK(handled.get() == 0);
  CHECK(service.services().front().active <= 21);   // Mosquitto's messages in flight
  open = true;
  CHECK(handled.reaches(count));
}

TEST_CASE("mqtt: what the server refuses is told") {
  const Quiet quiet;
  const ScratchDirectory scratch;
  scratch.write("acl", "topic readwrite open/#\n");
  Broker broker("mosquitto", std::string(usual) + "\nmax_packet_size 3000\nacl_file " + scratch.path() + "/acl");
  Application application(client_config(broker.port(), {{"protocolVersion", 5}, {"qos", 1}}));
  const Client client = application.client("C");
  const auto failure_of = [](auto call) {
    try {
      std::move(call).get();
    } catch (const Error& error) {
      return error.failure();
    }
    return Failure();
  };
  CHECK(failure_of(client.emit("open/x", std::string(5000, 'x'))).code == errc::bad_payload);
  CHECK(failure_of(client.emit("open/+", 1)).code == errc::bad_pattern);
  CHECK(failure_of(client.emit("open/x", 1, SendOptions().record({{"qos", 3}}))).code == errc::unsupported);
  CHECK(failure_of(client.emit("open/x", 1)).code == std::error_code());
  CHECK(failure_of(client.send<int>("open/y", 1)).code == errc::no_handler);   // nobody is subscribed
  const Failure refused = failure_of(client.emit("closed/x", 1));   // and then Mosquitto 2.0.11 ends the connection
  CHECK(refused.code == errc::transport_failure);
  CHECK_THAT(refused.detail, Catch::Contains("permit"));
}

TEST_CASE("mqtt: a subscription that is refused keeps a service from starting") {
  const Quiet quiet;
  const std::pair<int, std::vector<std::string>> refusals[] = {
      {4, {"\x20\2\0\0"s, "\x90\4\0\1\x80\0"s}}, {5, {"\x20\3\0\0\0"s, "\x90\x0c\0\1\7\x1f\0\4mine\x87\0"s}}};
  for (const auto& [version, answers] : refusals) {
    FakeServer server(answers);
    Application service(service_config(server.port(), {{"protocolVersion", version}}));
    service.on_message("closed/x", [] { return 1; });
    try {
      service.start();
      FAIL("the subscription is not allowed");
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Catch::Contains("closed/x") && Catch::Contains("access control list"));
      if (version == 5) CHECK_THAT(error.what(), Catch::Contains("(mine)"));
    }
  }
}

TEST_CASE("mqtt: a wrong password is told, and a client that is elbowed out knows by whom") {
  const Quiet quiet;
  Broker locked("mosquitto", std::string(usual) + "\nallow_anonymous false");
  Application stranger(client_config(locked.port(), {{"username", "u"}, {"password", "p"}}));
  try {
    stranger.client("C").connect().get();
    FAIL("nobody is let in");
  } catch (const ConnectionError& error) {
    CHECK(error.code() == errc::not_connected);
    CHECK_THAT(error.what(), Catch::Contains("username and password"));
  }
  // CONNACK, and to the next packet (the inbox of replies) the farewell of MQTT 5.
  FakeServer server({"\x20\3\0\0\0"s, "\xe0\1\x8e"s});
  Application elbowed(client_config(server.port(), {{"protocolVersion", 5}}));
  try {
    elbowed.client("C").connect().get();
    FAIL("the session was taken over");
  } catch (const ConnectionError& error) {
    CHECK_THAT(error.what(), Catch::Contains("same client id") && Catch::Contains("clientId of its own"));
  }
}

TEST_CASE("mqtt: a server that hangs is found by its silence") {
  const Quiet quiet;
  Broker broker("mosquitto", usual);
  Gate gate(broker.port());
  Counter lost;
  Application application(client_config(gate.port(), {{"keepalive", 1}}));
  const Client client = application.client("C");
  client.on_status([&](const StatusEvent& event) {
    if (event.status == Status::disconnected) lost.add();
  });
  client.connect().get();
  gate.stall(true);
  CHECK(lost.reaches(1));
  gate.stall(false);
}

TEST_CASE("mqtt: the last will, retained messages, and what a record asks for") {
  const Quiet quiet;
  Broker broker("mosquitto", usual);
  Gate gate(broker.port());
  Watched<json> heard(json::array());
  Application service(service_config(broker.port(), {{"protocolVersion", 5}, {"subscribeOptions", {{"qos", 2}, {"rap", true}}}}));
  service.on_event("seen/+", [&](const json& data, MqttContext& context) {
    const MqttContext::Packet packet = context.packet();
    heard.change([&](json& all) {
      all.push_back({{"topic", context.topic()}, {"data", data}, {"qos", packet.qos}, {"retain", packet.retain},
                     {"type", packet.content_type}, {"tenant", packet.user_properties.get("tenant").value_or("")}});
    });
  });
  Application application(client_config(gate.port(), {{"protocolVersion", 5}, {"userProperties", {{"tenant", "default"}}},
                                                      {"will", {{"topic", "seen/will"}, {"payload", "{\"data\":\"gone\"}"}, {"qos", 1}}}}));
  const Client client = application.client("C");
  client.emit("seen/kept", 1, SendOptions().record({{"qos", 2}, {"retain", true}, {"properties", {{"contentType", "text"}}}})).get();
  service.start();   // and is told what was retained
  REQUIRE(heard.wait([](const json& all) { return all.size() == 1; }));
  client.emit("seen/now", 2, SendOptions().header("tenant", "acme")).get();
  REQUIRE(heard.wait([](const json& all) { return all.size() == 2; }));
  gate.cut();
  REQUIRE(heard.wait([](const json& all) { return all.size() == 3; }));
  CHECK(heard.get() == json::array({
      {{"topic", "seen/kept"}, {"data", 1}, {"qos", 2}, {"retain", true}, {"type", "text"}, {"tenant", "default"}},
      {{"topic", "seen/now"}, {"data", 2}, {"qos", 0}, {"retain", false}, {"type", ""}, {"tenant", "acme"}},
      {{"topic", "seen/will"}, {"data", "gone"}, {"qos", 1}, {"retain", false}, {"type", ""}, {"tenant", ""}}}));
}

TEST_CASE("mqtt: instances of a group share the work") {
  constexpr int count = 200;
  Broker broker("mosquitto", usual);
  Counter all;
  std::atomic<int> of[2] = {0, 0};
  std::vector<std::unique_ptr<Application>> instances;
  for (int i = 0; i < 2; ++i) {
    instances.push_back(std::make_unique<Application>(service_config(broker.port(), {{"group", "g"}, {"subscribeOptions", {{"qos", 1}}}})));
    instances.back()->on_event("work", [&, i](int) {
      ++of[i];
      all.add();
    });
    instances.back()->start();
  }
  Application application(client_config(broker.port(), {{"qos", 1}}));
  const Client client = application.client("C");
  for (int i = 0; i < count; ++i) client.emit("work", i).get();
  REQUIRE(all.reaches(count));
  CHECK(all.get() == count);
  CHECK(of[0] > 0);
  CHECK(of[1] > 0);
}
