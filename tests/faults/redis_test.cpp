// A Redis server that dies, hangs, refuses or moves away under load. Each case has servers of its own.

#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

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

namespace {

const json soon{{"backoff", "20ms"}, {"maxBackoff", "100ms"}};

json options_of(const Broker& broker, const json& more) {
  json options{{"host", "127.0.0.1"}, {"port", broker.port()}};
  options.update(more);
  return options;
}

Config service_config(const json& options, const json& more = json::object()) {
  json service{{"transport", "redis"}, {"options", options}, {"reconnect", soon}};
  service.update(more);
  return Config::from_json({{"threads", 1}, {"services", {{"s", service}}}});
}

Config client_config(const json& options, const json& more = json::object()) {
  json client{{"transport", "redis"}, {"options", options}, {"reconnect", soon}, {"timeout", "20s"}};
  client.update(more);
  return Config::from_json({{"threads", 1}, {"clients", {{"C", client}}}});
}

/// What redis-cli prints.
std::string cli(const Broker& broker, std::vector<std::string> words) {
  words.insert(words.begin(), {"/usr/bin/redis-cli", "-p", std::to_string(broker.port())});
  return Process(std::move(words)).wait().out;
}

/// Waits until the condition holds, and looks again whenever Redis was told `command`, by anybody.
template <class F>
bool holds_after(const Broker& broker, const std::string& command, F condition) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  do {
    Process monitor({"/usr/bin/redis-cli", "-p", std::to_string(broker.port()), "MONITOR"});
    monitor.line_of_stdout("OK");   // from now on it hears of everything
    if (condition()) return true;
    monitor.line_of_stdout('"' + command + '"');
  } while (std::chrono::steady_clock::now() < limit);
  return condition();
}

/// No log, and back to errors at the end.
struct Quiet {
  Quiet() { set_log_level(LogLevel::off); }
  ~Quiet() { set_log_level(LogLevel::error); }
};

const json streams{{"mode", "streams"}, {"streams", {{"housekeeping", "100ms"}, {"claimAfter", "1s"}, {"retryDelay", "20ms"}}}};
const json client_streams{{"mode", "streams"}};
const json at_least_once{{"delivery", "at-least-once"}};

void kill_under_load(const json& service_options, const json& client_options, const json& service_more) {
  const Quiet quiet;
  EchoLoad load;
  Broker broker("redis", "", true);
  Application service(service_config(options_of(broker, service_options), service_more));
  service.on_message("echo", [](int n) { return n; });
  service.start();
  Application caller(client_config(options_of(broker, client_options)));
  const Client client = caller.client("C");
  kill_under_load(load, client, broker, 2);
}

}  // namespace

TEST_CASE("redis: killed under load, no request is stuck") { kill_under_load(json::object(), json::object(), json::object()); }

TEST_CASE("redis streams: killed under load, no request is stuck") { kill_under_load(streams, client_streams, at_least_once); }

TEST_CASE("redis streams: of 100000 confirmed events none is lost when the server is killed twice") {
  const Quiet quiet;
  Ledger ledger;
  Broker broker("redis", "", true);
  Application service(service_config(options_of(broker, streams), at_least_once));
  ledger.hear(service);
  service.start();
  Application emitter(client_config(options_of(broker, client_streams)));
  ledger.keep(emitter.client("C"), broker, 120s);
}

TEST_CASE("redis: a server that hangs is found by pings") {
  const Quiet quiet;
  Broker broker("redis");
  const json pings{{"pingInterval", "100ms"}};
  for (const bool stream : {false, true}) {
    Counter lost;
    Counter found;
    Application service(service_config(options_of(broker, stream ? json{{"pingInterval", "100ms"}, {"mode", "streams"}} : pings)));
    service.on_message("echo", [](int n) { return n; });
    service.on_status([&](std::string_view, const StatusEvent& event) {
      if (event.status == Status::disconnected) lost.add();
      if (event.status == Status::connected) found.add();
    });
    service.start();
    kill(broker.pid(), SIGSTOP);
    CHECK(lost.reaches(1));
    kill(broker.pid(), SIGCONT);
    CHECK(found.reaches(2));
  }
}

TEST_CASE("redis: a service that reads too slowly is cut off by the server, and comes back") {
  const Quiet quiet;
  Broker broker("redis", "client-output-buffer-limit pubsub 256kb 256kb 1");
  Counter lost;
  Counter late;
  std::atomic<bool> blocked{true};
  Application service(service_config(options_of(broker, json::object()), {{"maxConcurrency", 1}}));
  service.on_event("heavy", [&](const std::string&) -> task<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (blocked) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  service.on_event("light", [&](int) { late.add(); });
  service.on_status([&](std::string_view, const StatusEvent& event) {
    if (event.status == Status::disconnected) lost.add();
  });
  service.start();
  Application emitter(client_config(options_of(broker, json::object())));
  const Client client = emitter.client("C");
  const std::string big(100000, 'x');
  const auto limit = std::chrono::steady_clock::now() + patience;
  for (int i = 0; i < 2000; ++i) client.emit("heavy", big).get();   // far more than the sockets hold
  blocked = false;
  REQUIRE(lost.reaches(1));
  while (late.get() == 0 && std::chrono::steady_clock::now() < limit) client.emit("light", 1).get();
  CHECK(late.get() > 0);
}

TEST_CASE("redis: what the server refuses is told by its kind, and harms nothing else") {
  const Quiet quiet;
  Broker broker("redis");
  cli(broker, {"ACL", "SETUSER", "narrow", "on", ">pw", "+@all", "&open", "&open.reply", "&ferry.cancel", "~*"});
  const json login{{"username", "narrow"}, {"password", "pw"}};
  Application service(service_config(options_of(broker, json::object())));
  service.on_message("open", [](int n) { return n; });
  service.start();
  Application caller(client_config(options_of(broker, login)));
  const Client client = caller.client("C");
  CHECK(client.send<int>("open", 1).get() == 1);
  const auto text = [](auto call) {
    try {
      std::move(call).get();
    } catch (const Error& error) {
      CHECK(error.fate() == Fate::not_sent);
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(text(client.send<int>("closed", 1)), Catch::Contains("NOPERM"));   // its reply channel
  CHECK_THAT(text(client.emit("closed", 1)), Catch::Contains("NOPERM"));
  CHECK(client.send<int>("open", 2).get() == 2);
  CHECK(client.counters().connects == 1);
  Application stranger(client_config(options_of(broker, {{"username", "narrow"}, {"password", "wrong"}}), {{"reconnect", {{"attempts", 0}}}}));
  CHECK_THAT(text(stranger.client("C").send<int>("open", 1)), Catch::Contains("WRONGPASS") && Catch::Contains("check username"));
}

TEST_CASE("redis streams: a server without memory refuses events, and takes them when it has some") {
  const Quiet quiet;
  Broker broker("redis");
  Application emitter(client_config(options_of(broker, client_streams)));
  const Client client = emitter.client("C");
  client.emit("e", 1).get();
  cli(broker, {"CONFIG", "SET", "maxmemory", "1"});
  CHECK(code_of([&] { client.emit("e", 2).get(); }) == errc::overloaded);
  CHECK(code_of([&] { client.send<int>("e", 2).get(); }) == errc::overloaded);
  cli(broker, {"CONFIG", "SET", "maxmemory", "0"});
  CHECK(client.emit("e", 3).get() == Emitted::confirmed);
}

TEST_CASE("redis: a message that is too long is refused before it is sent") {
  const Quiet quiet;
  Broker broker("redis");
  Application emitter(client_config(options_of(broker, {{"maxMessageSize", "1KiB"}})));
  const Client client = emitter.client("C");
  CHECK(code_of([&] { client.emit("e", std::string(2000, 'x')).get(); }) == errc::bad_payload);
  client.emit("e", 1).get();
  CHECK(client.counters().connects == 1);
}

TEST_CASE("redis streams: what a dead instance left is taken over, and its name forgotten") {
  const Quiet quiet;
  Broker broker("redis");
  cli(broker, {"XGROUP", "CREATE", "ferry:job", "s", "0", "MKSTREAM"});
  cli(broker, {"XADD", "ferry:job", "*", "message", R"({"pattern":"job","data":7})"});
  CHECK_THAT(cli(broker, {"XREADGROUP", "GROUP", "s", "dead", "STREAMS", "ferry:job", ">"}), Catch::Contains("message"));
  json options = streams;
  options["streams"]["claimAfter"] = "200ms";
  options["streams"]["forgetConsumersAfter"] = "1s";
  Watched<int> done;
  Application service(service_config(options_of(broker, options), at_least_once));
  service.on_event("job", [&](int n) { done.change([&](int& value) { value = n; }); });
  service.start();
  CHECK(done.wait([](int value) { return value == 7; }));
  const auto lacks = [&](std::vector<std::string> words, const std::string& gone) {
    return [&broker, words = std::move(words), gone] { return cli(broker, words).find(gone) == std::string::npos; };
  };
  CHECK(holds_after(broker, "XACK", lacks({"XPENDING", "ferry:job", "s", "-", "+", "10"}, "-")));
  CHECK(holds_after(broker, "DELCONSUMER", lacks({"XINFO", "CONSUMERS", "ferry:job", "s"}, "dead")));
}

TEST_CASE("redis streams: what fails too often, or cannot be read, is kept with its cause") {
  const Quiet quiet;
  Broker broker("redis");
  json options = streams;
  options["streams"]["maxDeliver"] = 2;
  Counter tried;
  Counter reported;
  Application service(service_config(options_of(broker, options), at_least_once));
  service.on_event("job", [&](int) {
    tried.add();
    throw std::runtime_error("never");
  });
  service.on_error([&](std::string_view, const Failure& failure) {
    if (failure.detail.find("goes to ferry:job.dead") != std::string::npos) reported.add();
  });
  service.start();
  cli(broker, {"XADD", "ferry:job", "*", "message", R"({"pattern":"job","data":7})"});
  REQUIRE(reported.reaches(1));
  CHECK(tried.get() == 2);
  cli(broker, {"XADD", "ferry:job", "*", "other", "field"});
  REQUIRE(reported.reaches(2));
  // It says so when it sends it there; the entry is off its hands when Redis has confirmed that.
  CHECK(holds_after(broker, "XACK", [&] { return cli(broker, {"XPENDING", "ferry:job", "s"}).starts_with("0\n"); }));
  CHECK(service.stop());
  const std::string dead = cli(broker, {"XRANGE", "ferry:job.dead", "-", "+"});
  CHECK_THAT(dead, Catch::Contains("failed too often") && Catch::Contains("attempts\n2\n") && Catch::Contains("origin\nferry:job\n") &&
                       Catch::Contains(R"({"pattern":"job","data":7})") && Catch::Contains("no field \"message\""));
  CHECK_THAT(cli(broker, {"XINFO", "CONSUMERS", "ferry:job", "s"}), !Catch::Contains("name"));   // it left in order
}

TEST_CASE("redis streams: a long handler keeps its entry") {
  const Quiet quiet;
  Broker broker("redis");
  json options = streams;
  options["streams"]["claimAfter"] = "200ms";
  Counter runs;
  Counter ended;
  const auto handler = [&](int) -> task<void> {
    runs.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, 1500ms);
    co_await timer.async_wait(asio::use_awaitable);
    ended.add();
  };
  Application one(service_config(options_of(broker, options), at_least_once));
  Application two(service_config(options_of(broker, options), at_least_once));
  for (Application* service : {&one, &two}) {
    service->on_event("job", handler);
    service->start();
  }
  Application emitter(client_config(options_of(broker, client_streams)));
  emitter.client("C").emit("job", 1).get();
  REQUIRE(ended.reaches(1));
  CHECK(runs.get() == 1);
}

TEST_CASE("redis streams: what everybody has handled is removed") {
  const Quiet quiet;
  Broker broker("redis", "stream-node-max-entries 10");
  Counter handled;
  Application service(service_config(options_of(broker, streams), at_least_once));
  service.on_event("job", [&](int) { handled.add(); });
  service.start();
  Application emitter(client_config(options_of(broker, client_streams)));
  const Client client = emitter.client("C");
  for (int i = 0; i < 1000; ++i) client.emit("job", i).get();
  REQUIRE(handled.reaches(1000));
  CHECK(holds_after(broker, "XTRIM", [&] { return std::stoi(cli(broker, {"XLEN", "ferry:job"})) <= 20; }));
}

TEST_CASE("redis: sentinels say where the master is, and a failover is followed") {
  const Quiet quiet;
  Broker first("redis");
  Broker second("redis");
  std::atomic<std::uint16_t> master{first.port()};
  // What a sentinel answers to the two things it is asked.
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  std::thread sentinel([&] {
    for (;;) {
      std::error_code error;
      asio::ip::tcp::socket socket = acceptor.accept(error);
      if (error) return;
      std::string said;
      char buffer[1024];
      bool pinged = false;
      for (bool asked = false; !asked && !error;) {
        const std::size_t size = socket.read_some(asio::buffer(buffer), error);
        said.append(buffer, size);
        std::string answer;
        if (!std::exchange(pinged, said.find("PING") != std::string::npos)) answer = "+PONG\r\n";
        asked = said.find("get-master-addr-by-name") != std::string::npos && said.ends_with("themaster\r\n");
        const std::string port = std::to_string(master);
        if (asked) answer += "*2\r\n$9\r\n127.0.0.1\r\n$" + std::to_string(port.size()) + "\r\n" + port + "\r\n";
        asio::write(socket, asio::buffer(answer), error);
      }
    }
  });
  const json options{{"sentinels", json::array({{{"host", "127.0.0.1"}, {"port", acceptor.local_endpoint().port()}}})},
                     {"name", "themaster"}};
  {
    Application service(service_config(options));
    service.on_message("echo", [](int n) { return n; });
    service.start();
    Application caller(client_config(options));
    const Client client = caller.client("C");
    CHECK(client.send<int>("echo", 1).get() == 1);
    master = second.port();
    first.kill();
    const auto limit = std::chrono::steady_clock::now() + patience;
    bool reached = false;
    while (!reached && std::chrono::steady_clock::now() < limit) {
      try {
        reached = client.send<int>("echo", 2).get() == 2;
      } catch (const Error&) {   // the service may come later than the client
      }
    }
    CHECK(reached);
  }
  ::shutdown(acceptor.native_handle(), SHUT_RDWR);
  sentinel.join();
}
