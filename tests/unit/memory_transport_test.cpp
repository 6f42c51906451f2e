#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "serializers/json/json_serializer.hpp"
#include "serializers/msgpack/msgpack_serializer.hpp"
#include "test_loop.hpp"
#include "transports/memory/client.hpp"
#include "transports/memory/server.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using nlohmann::json;
using test::TestLoop;
using spi::ReplyKind;
using Form = spi::RequestView::PatternForm;

namespace {

const serializers::JsonSerializer json_serializer;
const serializers::MsgpackSerializer msgpack_serializer;

struct ClientLog final : spi::ClientSink {
  struct Reply {
    std::string id, value, error;
    bool has_value, failed, last;
  };
  void on_connected(std::string_view peer) override { events.push_back("connected " + std::string(peer)); }
  void on_disconnected(Failure why) override {
    events.push_back("disconnected");
    failure = std::move(why);
  }
  void on_reply(const spi::ReplyView& r) override {
    CHECK_FALSE(in_call);
    replies.push_back({std::string(r.id), std::string(r.value), std::string(r.error), r.has_value, r.failed, r.last});
    if (after_reply) after_reply();
  }
  void on_request_failed(std::string_view, const Failure&) override { FAIL("no broker, nobody to refuse"); }
  void on_writable(std::string_view) override { FAIL("no stream of requests was begun"); }
  void on_emitted(spi::EmitToken token, const Failure* why) override {
    CHECK_FALSE(in_call);
    CHECK(why == nullptr);
    emitted.push_back(token);
  }
  void on_error(const Failure&) override {}
  void on_status(StatusEvent) override {}

  std::vector<std::string> events;
  std::vector<Reply> replies;
  std::vector<spi::EmitToken> emitted;
  Failure failure;
  std::function<void()> after_reply;
  bool in_call = false;
};

struct ServerLog final : spi::ServerSink {
  void on_message(spi::DeliveryPtr delivery) override {
    if (handler) return handler(delivery);
    messages.push_back(std::move(delivery));
  }
  void on_status(StatusEvent) override {}
  void on_disconnected(Failure why) override { FAIL_CHECK(why.detail); }
  void on_error(const Failure&) override {}

  std::vector<spi::DeliveryPtr> messages;
  std::function<void(const spi::DeliveryPtr&)> handler;
};

spi::Options options(spi::OptionTable table, json values) { return spi::Options::parse(values, table, {"test", ""}); }

struct TestServer {
  explicit TestServer(TestLoop& l, json values = json::object(), const spi::Serializer& serializer = json_serializer)
      : loop(l), transport({.name = "s", .loop = &loop, .loops = {&loop}, .serializer = &serializer,
                   .options = options(memory::server_option_table(), std::move(values)), .directory = {}}, log) {
    transport.listen({}, [](const Failure* failure) { CHECK(failure == nullptr); });
  }
  ~TestServer() {
    transport.close(0ms, [] {});
    loop.run();
  }

  TestLoop& loop;
  ServerLog log;
  memory::Server transport;
};

struct TestClient {
  explicit TestClient(TestLoop& l, json values = json::object(), bool extensions = true)
      : loop(l), transport({.name = "c", .loop = &loop, .serializer = &json_serializer,
                   .options = options(memory::client_option_table(), std::move(values)), .directory = {},
                   .extensions = extensions}, log) {
    transport.connect();
  }
  ~TestClient() {
    transport.close(0ms, [] {});
    loop.run();
  }

  bool send(const Pattern& pattern, std::string payload, std::string_view id, spi::EmitToken token = 0) {
    spi::OutgoingMessage message{&pattern, true, &payload, &headers, id, deadline};
    failure = {};
    log.in_call = true;
    const bool taken = id.empty() ? transport.emit(message, token, failure) : transport.request(message, failure);
    log.in_call = false;
    left_of_payload = payload;
    return taken;
  }
  bool request(std::string_view id, std::string payload = "1") { return send("p", std::move(payload), id); }
  bool emit(spi::EmitToken token, std::string payload = "1") { return send("e", std::move(payload), {}, token); }

  TestLoop& loop;
  Headers headers;
  std::chrono::steady_clock::time_point deadline = {};
  Failure failure;
  std::string left_of_payload;
  ClientLog log;
  memory::Client transport;
};

/// Everything on one loop, which runs only when told to.
struct Bench {
  void run() { loop.run(); }
  asio::io_context io;
  TestLoop loop{io};
};

void answer(const spi::DeliveryPtr& delivery, ReplyKind kind, std::string payload = {}) { delivery->reply(kind, payload); }

bool is_done(Bench& bench, const std::function<void(std::function<void()>)>& operation) {
  bool done = false;
  operation([&done] { done = true; });
  CHECK_FALSE(done);
  bench.run();
  return done;
}

}  // namespace

TEST_CASE("memory: a request arrives as it was sent, and is answered") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  REQUIRE(client.log.events == std::vector<std::string>{"connected memory://default"});
  client.headers.set("k", "v");
  client.deadline = std::chrono::steady_clock::now() + 1h;
  const std::string payload(1000, '7');
  REQUIRE(client.send({{"cmd", "sum"}}, payload, "id-1"));
  CHECK(server.log.messages.empty());
  bench.run();
  REQUIRE(server.log.messages.size() == 1);
  const auto& message = server.log.messages[0];
  CHECK(message->view().pattern_form == Form::json);
  CHECK(message->view().pattern == R"({"cmd":"sum"})");
  CHECK(message->view().payload == payload);
  CHECK(message->view().id == "id-1");
  CHECK(message->expects_reply());
  CHECK(message->headers() == client.headers);
  CHECK(message->deadline() == client.deadline);
  CHECK(message->context() == nullptr);

  answer(message, ReplyKind::item, "1");
  answer(message, ReplyKind::last_item, "2");
  CHECK(client.log.replies.empty());
  bench.run();
  REQUIRE(client.log.replies.size() == 2);
  CHECK((client.log.replies[0].value == "1" && !client.log.replies[0].last));
  CHECK((client.log.replies[1].id == "id-1" && client.log.replies[1].value == "2" && client.log.replies[1].last));
}

TEST_CASE("memory: kinds of patterns and replies") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop, json::object(), false);
  bench.run();
  client.deadline = std::chrono::steady_clock::now() + 1h;
  for (const char* id : {"a", "b", "c"}) CHECK(client.send(7, "1", id));
  bench.run();
  REQUIRE(server.log.messages.size() == 3);
  CHECK(server.log.messages[0]->view().pattern_form == Form::text);
  CHECK(server.log.messages[0]->view().pattern == "7");
  CHECK_FALSE(server.log.messages[0]->deadline());   // extensions are off
  answer(server.log.messages[0], ReplyKind::end);
  answer(server.log.messages[1], ReplyKind::error, "{}");
  answer(server.log.messages[2], ReplyKind::no_handler);
  bench.run();
  const auto& replies = client.log.replies;
  REQUIRE(replies.size() == 3);
  CHECK((replies[0].last && !replies[0].has_value && !replies[0].failed));
  CHECK((replies[1].last && replies[1].failed && replies[1].error == "{}"));
  CHECK(replies[2].error == "\"There is no matching message handler defined in the remote service.\"");
}

TEST_CASE("memory: events are reported when they are taken, in order") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  for (spi::EmitToken token = 1; token <= 100; ++token) CHECK(client.emit(token, std::to_string(token)));
  CHECK(client.log.emitted.empty());
  bench.run();
  REQUIRE(client.log.emitted.size() == 100);
  REQUIRE(server.log.messages.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(client.log.emitted[i] == i + 1);
    CHECK(server.log.messages[i]->view().payload == std::to_string(i + 1));
    CHECK_FALSE(server.log.messages[i]->expects_reply());
  }
}

TEST_CASE("memory: nobody listens, or in another language") {
  Bench bench;
  TestClient client(bench.loop, {{"name", "x"}});
  bench.run();
  CHECK(client.log.failure.code == errc::not_connected);
  CHECK(client.log.failure.detail == "no service listens on memory://x in this process");

  TestServer server(bench.loop, {{"name", "x"}}, msgpack_serializer);
  client.transport.connect();
  bench.run();
  CHECK(client.log.failure.code == errc::not_connected);
  CHECK(client.log.failure.detail.find("msgpack") != std::string::npos);
}

TEST_CASE("memory: a full queue refuses, and leaves the payload with the caller") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop, {{"maxQueue", 2}});
  bench.run();
  CHECK(client.request("a"));
  CHECK(client.emit(1));
  CHECK_FALSE(client.request("b", "payload"));
  CHECK(client.failure.code == errc::overloaded);
  CHECK(client.failure.fate == Fate::not_sent);
  CHECK(client.left_of_payload == "payload");
  bench.run();
  CHECK(client.request("b"));
}

TEST_CASE("memory: several services on one name take turns; one that comes later joins") {
  Bench bench;
  TestServer first(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  CHECK(client.request("a"));
  TestServer second(bench.loop);
  for (const char* id : {"b", "c", "d", "e"}) CHECK(client.request(id));
  bench.run();
  CHECK(first.log.messages.size() == 3);
  CHECK(second.log.messages.size() == 2);

  // One that goes with nothing owed is not missed.
  for (const auto& message : second.log.messages) answer(message, ReplyKind::end);
  CHECK(is_done(bench, [&](auto done) { second.transport.close(0ms, done); }));
  CHECK(client.log.events.size() == 1);
  CHECK(client.request("f"));
  bench.run();
  CHECK(first.log.messages.size() == 4);
}

TEST_CASE("memory: cancel reaches the handler") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  CHECK(client.request("a"));
  CHECK(client.request("b"));
  bench.run();
  bool told = false;
  server.log.messages[0]->on_abandoned([&told] { told = true; });
  client.transport.cancel("a");
  client.transport.cancel("unknown");
  bench.run();
  CHECK(told);
  CHECK(server.log.messages[0]->abandoned());
  CHECK_FALSE(server.log.messages[1]->abandoned());
}

TEST_CASE("memory: a client that goes abandons its requests") {
  Bench bench;
  TestServer server(bench.loop);
  std::optional<TestClient> client(bench.loop);
  bench.run();
  CHECK(client->request("a"));
  CHECK(client->emit(1));
  CHECK(is_done(bench, [&](auto done) { client->transport.close(1s, done); }));
  REQUIRE(server.log.messages.size() == 2);   // what was taken is delivered
  CHECK(server.log.messages[0]->abandoned());
  bool ready = false;
  server.log.messages[0]->when_writable([&ready] { ready = true; });
  client.reset();
  answer(server.log.messages[0], ReplyKind::last_item, "1");
  bench.run();
  CHECK(ready);
}

TEST_CASE("memory: a client that goes as its service drains does not hold it up") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  CHECK(client.request("a"));
  client.transport.close(0ms, [] {});
  CHECK(is_done(bench, [&](auto done) { server.transport.drain(done); }));
  REQUIRE(server.log.messages.size() == 1);
  CHECK(server.log.messages[0]->abandoned());
}

TEST_CASE("memory: a service that drains answers what it has, then its clients are disconnected") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  CHECK(client.request("a"));
  CHECK(client.emit(1));
  CHECK(is_done(bench, [&](auto done) { server.transport.drain(done); }));
  REQUIRE(server.log.messages.size() == 2);
  CHECK_FALSE(client.request("b"));
  CHECK(client.failure.fate == Fate::not_sent);
  CHECK(client.log.events.size() == 1);
  answer(server.log.messages[0], ReplyKind::last_item, "1");
  bench.run();
  REQUIRE(client.log.replies.size() == 1);
  CHECK(client.log.events.back() == "disconnected");
  CHECK(client.log.failure.code == errc::connection_lost);
  CHECK(is_done(bench, [&](auto done) { server.transport.close(0ms, done); }));
  CHECK(client.log.events.size() == 2);
}

TEST_CASE("memory: a service that closes with requests unanswered loses its clients, whoever else listens") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  const bool taken = GENERATE(true, false);
  CHECK(client.request("a"));
  if (taken) bench.run();
  TestServer other(bench.loop);
  CHECK(is_done(bench, [&](auto done) { server.transport.close(0ms, done); }));
  CHECK(client.log.events.back() == "disconnected");
  CHECK(client.log.failure.code == errc::connection_lost);
  for (const auto& message : server.log.messages) {
    CHECK(message->abandoned());
    answer(message, ReplyKind::end);   // goes nowhere
  }
  client.transport.connect();
  bench.run();
  CHECK(client.log.events.back() == "connected memory://default");
  CHECK(client.request("b"));
  bench.run();
  CHECK(other.log.messages.size() == 1);
}

TEST_CASE("memory: a paused side takes nothing, and loses nothing") {
  Bench bench;
  TestServer server(bench.loop);
  TestClient client(bench.loop);
  bench.run();
  server.log.handler = [&](const spi::DeliveryPtr& message) {
    server.log.messages.push_back(message);
    if (server.log.messages.size() == 2) server.transport.pause();
  };
  for (const char* id : {"a", "b", "c"}) CHECK(client.request(id));
  bench.run();
  CHECK(server.log.messages.size() == 2);
  CHECK(client.request("d"));
  bench.run();
  CHECK(server.log.messages.size() == 2);
  server.transport.resume();
  bench.run();
  REQUIRE(server.log.messages.size() == 4);

  client.log.after_reply = [&] { client.transport.pause(); };
  for (const auto& message : server.log.messages) answer(message, ReplyKind::last_item, "1");
  for (std::size_t taken = 1; taken <= 4; ++taken) {
    bench.run();
    CHECK(client.log.replies.size() == taken);
    client.transport.resume();
  }
}

TEST_CASE("memory: a stream waits for its client; one that does not, loses it") {
  Bench bench;
  TestServer server(bench.loop, {{"maxQueue", 1000}});
  TestClient client(bench.loop);
  bench.run();
  CHECK(client.request("a"));
  bench.run();
  const auto& message = server.log.messages[0];
  client.transport.pause();
  std::size_t sent = 0;
  while (message->writable()) {
    answer(message, ReplyKind::item, std::to_string(sent++));
    REQUIRE(sent < 1000);
  }
  int ready = 0;
  message->when_writable([&ready] { ++ready; });
  bench.run();
  CHECK(ready == 0);
  client.transport.resume();
  bench.run();
  CHECK(ready == 1);
  CHECK(client.log.replies.size() == sent);
  message->when_writable([&ready] { ++ready; });
  bench.run();
  CHECK(ready == 2);

  client.transport.pause();
  for (int i = 0; i < 1001; ++i) answer(message, ReplyKind::item, "1");
  bench.run();
  CHECK(message->abandoned());
  client.transport.resume();
  bench.run();
  CHECK(client.log.failure.code == errc::connection_lost);
}

TEST_CASE("memory: URLs") {
  CHECK(memory::options_from_url("memory://math") == json{{"name", "math"}});
  CHECK(memory::options_from_url("memory://") == json::object());
  CHECK_THROWS_AS(memory::options_from_url("memory://a/b"), ConfigError);
  CHECK_THROWS_AS(memory::options_from_url("tcp://a"), ConfigError);
}

TEST_CASE("memory: both sides on threads of their own") {
  asio::io_context client_io(1);
  asio::io_context server_io(1);
  auto client_work = asio::make_work_guard(client_io);
  auto server_work = asio::make_work_guard(server_io);
  TestLoop client_loop(client_io);
  TestLoop server_loop(server_io);
  TestServer server(server_loop, {{"name", "threads"}});
  server.log.handler = [](const spi::DeliveryPtr& message) {
    if (!message->expects_reply()) return;
    answer(message, ReplyKind::item, "1");
    message->when_writable([message] { answer(message, ReplyKind::last_item, std::string(message->view().payload)); });
  };
  std::optional<TestClient> client;
  constexpr std::size_t total = 20000;
  std::size_t asked = 0;
  std::size_t answered = 0;
  bool closed = false;
  const std::function<void()> ask = [&] {
    while (asked < total && asked - answered < 64) {
      const std::string id = std::to_string(asked++);
      client->request(id, id);
      if (asked % 3 == 0) client->emit(asked);
      if (asked % 100 == 0) client->transport.cancel(id);
    }
  };
  asio::post(client_io, [&] {
    client.emplace(client_loop, json{{"name", "threads"}});
    client->log.after_reply = [&] {
      const auto reply = std::move(client->log.replies.back());
      client->log.replies.clear();
      if (reply.last && reply.value != reply.id) asked = total;
      answered += reply.last;
      if (answered < total) return ask();
      client->transport.close(1s, [&] {
        closed = true;
        client_work.reset();
      });
    };
    asio::post(client_io, [&] { asio::post(client_io, ask); });
  });
  std::thread server_thread([&] { server_io.run(); });
  client_io.run_for(60s);
  CHECK(closed);
  CHECK(answered == total);
  asio::post(server_io, [&] { server.transport.close(1s, [&] { server_work.reset(); }); });
  server_thread.join();
}
