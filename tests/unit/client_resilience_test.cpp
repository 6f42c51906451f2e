// What a client does with calls that fail: retries, circuit breaker, limit, deadlines of what they are a part of. Its
// transport does what the test says; time passes where a policy waits for it, a millisecond or so.

#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "../support/await.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "refusal.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// What becomes of a message.
enum class Kind {
  answer,   // 1
  silence,
  not_taken,      // the transport refuses it
  lost,           // reported afterwards, perhaps received
  rejected,       // by the handler
  unknown_there,  // answered by a service without such a handler
  nobody_there,   // as a broker says it
  value_then_lost,
  disconnect,     // the connection goes with it
};

struct Seen {
  std::string id;   // empty: an event
  std::string route;
  std::string payload;
  Headers headers;
  std::chrono::steady_clock::time_point deadline;
};

/// What happens on the other side. Threads: any.
class Peer {
 public:
  void will(std::vector<Kind> kinds, Kind then = Kind::answer) {
    const std::lock_guard lock(mutex_);
    next_.assign(kinds.begin(), kinds.end());
    then_ = then;
  }
  Kind take() {
    const std::lock_guard lock(mutex_);
    if (next_.empty()) return then_;
    const Kind kind = next_.front();
    next_.pop_front();
    return kind;
  }
  Watched<std::vector<Seen>> seen;
  Watched<std::vector<std::string>> cancelled;
  std::atomic<int> refused_connects{0};
  std::atomic<spi::ClientSink*> sink{nullptr};

  /// The answer to what was met with silence.
  void answer(const Client& client, std::string id) {
    client.loop().post([this, id = std::move(id)] { reply(id); });
  }
  void reply(const std::string& id) {
    spi::ReplyView view;
    view.id = id;
    view.has_value = view.last = true;
    view.value = "1";
    sink.load()->on_reply(view);
  }
  std::size_t count() const { return seen.get().size(); }
  bool reaches(std::size_t n) const {
    return seen.wait([n](const auto& all) { return all.size() >= n; });
  }

 private:
  std::mutex mutex_;
  std::deque<Kind> next_;
  Kind then_ = Kind::answer;
};

class FakeClient final : public spi::ClientTransport {
 public:
  FakeClient(spi::ClientEnvironment environment, spi::ClientSink& sink, Peer& peer)
      : loop_(*environment.loop), sink_(sink), peer_(peer) {
    peer_.sink = &sink;
  }
  void connect() override {
    loop_.post([this] {
      if (peer_.refused_connects > 0) {
        --peer_.refused_connects;
        sink_.on_disconnected(Failure(errc::not_connected, "refused", Fate::not_sent));
      } else {
        sink_.on_connected("fake");
      }
    });
  }
  bool request(const spi::OutgoingMessage& message, Failure& failure) override {
    const std::string id(message.id);
    return take(message, failure, [this, id](const Failure* lost) {
      if (lost == nullptr) return peer_.reply(id);
      sink_.on_request_failed(id, *lost);
    });
  }
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override {
    return take(message, failure, [this, token](const Failure* lost) { sink_.on_emitted(token, lost); });
  }
  void cancel(std::string_view id) override {
    peer_.cancelled.change([id](auto& all) { all.emplace_back(id); });
  }
  void pause() override {}
  void resume() override {}
  void close(std::chrono::milliseconds, std::function<void()> done) override { loop_.post(std::move(done)); }

 private:
  bool take(const spi::OutgoingMessage& message, Failure& failure, std::function<void(const Failure*)> end) {
    const std::string id(message.id);
    peer_.seen.change([&](auto& all) {
      all.push_back({id, message.pattern->route(), std::move(*message.payload), *message.headers, message.deadline});
    });
    const auto fails = [&](errc code, Fate fate) {
      loop_.post([end, code, fate] {
        const Failure lost(code, "fake", fate);
        end(&lost);
      });
    };
    switch (peer_.take()) {
      case Kind::answer: loop_.post([end] { end(nullptr); }); break;
      case Kind::silence: break;
      case Kind::not_taken: failure = Failure(errc::overloaded, "fake", Fate::not_sent); return false;
      case Kind::lost: fails(errc::connection_lost, Fate::unknown); break;
      case Kind::rejected: loop_.post([this, id] { error(id, R"({"status":"error","message":"no"})"); }); break;
      case Kind::unknown_there:
        loop_.post([this, id] { error(id, R"("There is no matching message handler defined in the remote service.")"); });
        break;
      case Kind::nobody_there: fails(errc::no_handler, Fate::not_sent); break;
      case Kind::value_then_lost:
        loop_.post([this, id, end] {
          spi::ReplyView view;
          view.id = id;
          view.has_value = true;
          view.value = "1";
          sink_.on_reply(view);
          const Failure lost(errc::connection_lost, "fake", Fate::unknown);
          end(&lost);
        });
        break;
      case Kind::disconnect:
        loop_.post([this] { sink_.on_disconnected(Failure(errc::connection_lost, "fake")); });
    }
    return true;
  }
  void error(const std::string& id, std::string_view body) {
    spi::ReplyView view;
    view.id = id;
    view.failed = view.last = true;
    view.error = body;
    sink_.on_reply(view);
  }

  const spi::Loop& loop_;
  spi::ClientSink& sink_;
  Peer& peer_;
};

class FakeTransport final : public spi::Transport {
 public:
  explicit FakeTransport(Peer& peer) : peer_(peer) {}
  std::string_view name() const noexcept override { return "fake"; }
  const spi::Capabilities& capabilities() const noexcept override { return promises_; }
  spi::OptionTable client_options() const noexcept override { return {}; }
  spi::OptionTable server_options() const noexcept override { return {}; }
  std::span<const std::string_view> schemes() const noexcept override { return {}; }
  json options_from_url(std::string_view) const override { return {}; }
  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment, spi::ClientSink& sink) const override {
    return std::make_unique<FakeClient>(std::move(environment), sink, peer_);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment, spi::ServerSink&) const override { return nullptr; }

 private:
  spi::Capabilities promises_{.headers = true, .reply_streams = true};
  Peer& peer_;
};

/// A message whose handler makes calls.
class HandledMessage final : public spi::Delivery {
 public:
  HandledMessage(const spi::Loop& loop, const spi::Serializer& serializer, std::optional<std::chrono::steady_clock::time_point> deadline)
      : spi::Delivery(loop, serializer) {
    view_.has_id = true;
    view_.id = "\"its id\"";
    deadline_ = deadline;
  }
  void reply(spi::ReplyKind, std::string&) override {}

 private:
  void dispose() noexcept override { delete this; }
};

struct World {
  explicit World(json settings) {
    settings["transport"] = "fake";
    if (!settings.contains("reconnect")) settings["reconnect"] = {{"backoff", 1}, {"maxBackoff", 1}};
    if (settings.contains("retry") && !settings["retry"].contains("backoff")) settings["retry"]["backoff"] = 1;
    Plugins plugins;
    plugins.add(std::make_shared<FakeTransport>(peer));
    app = std::make_unique<Application>(
        Config::from_json({{"threads", 1}, {"logLevel", "off"}, {"clients", {{"C", std::move(settings)}}}}), std::move(plugins));
  }
  ~World() {
    app.reset();
    set_log_level(LogLevel::error);
  }
  Client client() { return app->client("C"); }
  std::size_t count() const { return peer.count(); }

  Peer peer;
  Outcomes outcomes;
  std::unique_ptr<Application> app;
};

/// The failure a call ends with.
template <class T>
Failure failure_of(Call<T> call) {
  try {
    static_cast<void>(std::move(call).get());
  } catch (const Error& error) {
    return error.failure();
  }
  return {};
}

json retry(int attempts, json more = json::object()) {
  json settings{{"attempts", attempts}, {"backoff", 1}, {"maxBackoff", 2}};
  settings.update(more);
  return {{"retry", settings}};
}

}  // namespace

TEST_CASE("client retry: what was not sent is sent again, whole, under another id") {
  World world(retry(3));
  const Client client = world.client();
  world.peer.will({Kind::not_taken, Kind::nobody_there});
  const std::string text(1000, 'x');
  CHECK(client.send<int>("a", text).get() == 1);
  const auto seen = world.peer.seen.get();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].payload == '"' + text + '"');   // the transport took each one's contents over
  CHECK(seen[2].payload == seen[0].payload);
  CHECK(seen[0].id != seen[1].id);
  CHECK(seen[1].id != seen[2].id);
  CHECK(client.counters().retries == 2);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("client retry: what may have been received is sent again only if that does no harm") {
  World world(retry(3, {{"idempotent", {"get.*", R"({"b":1,"a":2})"}}}));
  const Client client = world.client();
  world.peer.will({}, Kind::lost);
  const auto attempts = [&](Pattern pattern, SendOptions options = {}) {
    const std::size_t before = world.count();
    const Failure failure = failure_of(client.send<int>(std::move(pattern), 1, std::move(options)));
    CHECK(failure.code == errc::connection_lost);
    CHECK(failure.fate == Fate::unknown);
    return world.count() - before;
  };
  CHECK(attempts("create") == 1);
  CHECK(attempts("create", SendOptions().idempotent()) == 3);
  CHECK(attempts("get.all") == 3);
  CHECK(attempts({{"a", 2}, {"b", 1}}) == 3);
  CHECK(attempts("get.all", SendOptions().idempotent(false)) == 1);
  CHECK(attempts("get.all", SendOptions().attempts(1)) == 1);
  CHECK(attempts("get.all", SendOptions().attempts(5)) == 5);
}

TEST_CASE("client retry: in code alone, and not at all without a word of it") {
  World world(json::object());
  const Client client = world.client();
  world.peer.will({Kind::not_taken});
  CHECK(failure_of(client.send<int>("a", 1)).code == errc::overloaded);
  world.peer.will({Kind::not_taken});
  CHECK(client.send<int>("a", 1, SendOptions().attempts(2)).get() == 1);
  CHECK(client.send<int>("a", 1).get() == 1);   // as before, now that there are policies
  CHECK(world.count() == 4);
  CHECK_THROWS_AS(SendOptions().attempts(0), std::invalid_argument);
  CHECK_THROWS_AS(SendOptions().attempts(101), std::invalid_argument);
}

TEST_CASE("client retry: the fate of a call is that of all its attempts") {
  World world(retry(2));
  const Client client = world.client();
  world.peer.will({Kind::lost, Kind::not_taken});
  const Failure failure = failure_of(client.send<int>("a", 1, SendOptions().idempotent()));
  CHECK(failure.code == errc::overloaded);
  CHECK(failure.fate == Fate::unknown);
  CHECK_THAT(failure.detail, Catch::Contains("attempt 2 of 2"));
  for (const Kind last : {Kind::rejected, Kind::unknown_there, Kind::nobody_there}) {   // an answer says nothing of those before
    world.peer.will({Kind::lost, last});
    CHECK(failure_of(client.send<int>("a", 1, SendOptions().idempotent())).fate == Fate::unknown);
  }
  world.peer.will({Kind::not_taken, Kind::rejected});
  CHECK(failure_of(client.send<int>("a", 1)).fate == Fate::confirmed);
}

TEST_CASE("client retry: an answer is an answer, unless it is listed") {
  World world(retry(3, {{"idempotent", "*"}}));
  const Client client = world.client();
  world.peer.will({Kind::rejected, Kind::unknown_there});
  CHECK(failure_of(client.send<int>("a", 1)).code == errc::rejected);
  CHECK(failure_of(client.send<int>("a", 1)).code == errc::no_handler);
  CHECK(world.count() == 2);
  World listed(retry(3, {{"idempotent", "*"}, {"on", "rejected"}}));
  listed.peer.will({Kind::rejected, Kind::rejected});
  CHECK(listed.client().send<int>("a", 1).get() == 1);
  CHECK(listed.count() == 3);
  listed.peer.will({Kind::lost});
  CHECK(failure_of(listed.client().send<int>("a", 1)).code == errc::connection_lost);
}

TEST_CASE("client retry: an attempt that is not answered in time is given up, and its service told") {
  World world(retry(3, {{"attemptTimeout", 20}}));
  const Client client = world.client();
  world.peer.will({Kind::silence, Kind::silence});
  CHECK(client.send<int>("a", 1, SendOptions().idempotent()).get() == 1);
  const auto seen = world.peer.seen.get();
  REQUIRE(seen.size() == 3);
  CHECK(world.peer.cancelled.get() == std::vector{seen[0].id, seen[1].id});
  CHECK(seen[0].deadline < seen[1].deadline);
  CHECK(client.counters().late_replies == 0);
  world.peer.answer(client, seen[0].id);   // late: to nobody
  CHECK(client.send<int>("a", 1).get() == 1);
  CHECK(client.counters().late_replies == 1);
  world.peer.will({Kind::silence});
  const auto called = std::chrono::steady_clock::now();
  const Failure failure = failure_of(client.send<int>("a", 1, SendOptions().timeout(100ms)));   // all its time, once
  CHECK(failure.code == errc::timed_out);
  CHECK(std::chrono::steady_clock::now() - called >= 100ms);
  CHECK(world.count() == 5);
}

TEST_CASE("client retry: never past the deadline") {
  World world(json{{"retry", {{"attempts", 100}, {"backoff", 60000}, {"maxBackoff", 60000}}}});
  const Client client = world.client();
  world.peer.will({Kind::not_taken});
  const Failure failure = failure_of(client.send<int>("a", 1, SendOptions().timeout(20s)));   // told at once, not after 20 s
  CHECK(failure.code == errc::overloaded);
  CHECK(world.count() == 1);
}

TEST_CASE("client retry: a cancel and a close end the wait for the next attempt at once") {
  World world(json{{"retry", {{"attempts", 3}, {"backoff", 20000}, {"maxBackoff", 20000}}}, {"timeout", "1h"}});
  const Client client = world.client();
  world.peer.will({}, Kind::lost);
  CHECK_THROWS_AS(client.send<int>("a", 1, SendOptions().idempotent()).get(100ms), TimeoutError);
  CHECK(client.in_flight() == 0);
  CHECK(world.peer.cancelled.get().empty());   // nobody has it
  world.outcomes.start(client, client.send<int>("a", 1, SendOptions().idempotent()));
  REQUIRE(world.peer.reaches(2));
  client.close().get();
  REQUIRE(world.outcomes.reach(1));
  CHECK(world.outcomes.codes().front() == errc::closed);
}

TEST_CASE("client retry: a stream until its first value, an event by its fate") {
  World world(retry(2));
  const Client client = world.client();
  world.peer.will({Kind::not_taken});
  auto stream = client.stream<int>("a", 1);
  CHECK(stream.next().get() == 1);
  CHECK_FALSE(stream.next().get());
  world.peer.will({}, Kind::value_then_lost);
  auto cut = client.stream<int>("a", 1, SendOptions().idempotent());
  CHECK(cut.next().get() == 1);
  CHECK(failure_of(cut.next()).code == errc::connection_lost);
  CHECK(world.count() == 3);
  world.peer.will({Kind::not_taken});
  CHECK(client.emit("e", 1).get() == Emitted::accepted);
  world.peer.will({Kind::lost});
  CHECK(failure_of(static_cast<Call<Emitted>>(client.emit("e", 1))).code == errc::connection_lost);
  world.peer.will({Kind::lost});
  CHECK(client.emit("e", 1, SendOptions().idempotent()).get() == Emitted::accepted);
  CHECK(world.count() == 8);
}

TEST_CASE("client retry: through a connection that goes, and attempts to connect that fail") {
  World world(retry(20, {{"idempotent", "*"}}));
  const Client client = world.client();
  world.peer.refused_connects = 3;
  world.peer.will({Kind::disconnect, Kind::disconnect});
  CHECK(client.send<int>("a", 1).get() == 1);
  CHECK(world.count() == 3);
  CHECK(client.counters().connects == 3);
}

TEST_CASE("client retry: no more than the budget") {
  World world(retry(3, {{"budget", {{"ratio", 0.1}, {"perSecond", 1}}}}));
  const Client client = world.client();
  world.peer.will({}, Kind::not_taken);
  for (int i = 0; i < 100; ++i) CHECK(failure_of(client.send<int>("a", 1)).code == errc::overloaded);
  CHECK(client.counters().retries <= 30);   // ten of the floor, a tenth of a hundred; twice ten where time has passed
  CHECK(client.counters().retries >= 10);
  CHECK(client.counters().retries_refused > 0);
  CHECK(world.count() == 100 + client.counters().retries);
}

TEST_CASE("client circuit: opens on failures, refuses at once, and a probe closes it") {
  World world(json{{"circuit", {{"minimumCalls", 4}, {"failureRatio", 0.5}, {"openFor", 30}}}});
  Watched<std::vector<Circuit>> changes;
  const Client client = world.client();
  client.on_circuit([&](const CircuitEvent& event) { changes.change([&](auto& all) { all.push_back(event.circuit); }); });
  world.peer.will({Kind::lost, Kind::rejected, Kind::unknown_there, Kind::lost});
  for (int i = 0; i < 3; ++i) failure_of(client.send<int>("a", 1));
  CHECK(client.circuit() == Circuit::closed);
  failure_of(client.send<int>("a", 1));
  CHECK(client.circuit() == Circuit::open);
  const Failure refused = failure_of(client.send<int>("a", 1));
  CHECK(refused.code == errc::circuit_open);
  CHECK(refused.fate == Fate::not_sent);
  CHECK(world.count() == 4);
  CHECK(client.emit("e", 1).get() == Emitted::accepted);   // an event asks no service
  while (failure_of(client.send<int>("a", 1)).code == errc::circuit_open) {
  }
  CHECK(client.circuit() == Circuit::closed);
  CHECK(client.counters().circuit_openings == 1);
  CHECK(client.counters().circuit_refusals >= 1);
  REQUIRE(changes.wait([](const auto& all) { return all.size() == 3; }));
  CHECK(changes.get() == std::vector{Circuit::open, Circuit::half_open, Circuit::closed});
}

TEST_CASE("client circuit: a probe that is cancelled leaves its place to another") {
  World world(json{{"circuit", {{"minimumCalls", 1}, {"openFor", 1}}}});
  const Client client = world.client();
  world.peer.will({Kind::lost}, Kind::silence);
  failure_of(client.send<int>("a", 1));
  REQUIRE(client.circuit() == Circuit::open);
  Failure probe(errc::circuit_open, "");
  while (probe.code == errc::circuit_open) {
    try {
      client.send<int>("a", 1).get(50ms);
    } catch (const Error& error) {
      probe = error.failure();
    }
  }
  CHECK(probe.code == errc::timed_out);   // of `get`: it was cancelled
  CHECK(client.circuit() == Circuit::half_open);
  world.peer.will({});
  CHECK(client.send<int>("a", 1).get() == 1);
  CHECK(client.circuit() == Circuit::closed);
}

TEST_CASE("client circuit: a stream is a success with its first value") {
  World world(json{{"circuit", {{"minimumCalls", 1}, {"failureRatio", 1}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::value_then_lost);
  auto stream = client.stream<int>("a", 1);
  CHECK(stream.next().get() == 1);
  CHECK(failure_of(stream.next()).code == errc::connection_lost);
  CHECK(client.circuit() == Circuit::closed);
}

TEST_CASE("client circuit: a retry that it refuses ends the call") {
  json settings = retry(10, {{"idempotent", "*"}});
  settings["circuit"] = {{"minimumCalls", 3}, {"openFor", "1h"}};
  World world(settings);
  const Client client = world.client();
  world.peer.will({}, Kind::lost);
  const Failure failure = failure_of(client.send<int>("a", 1));
  CHECK(failure.code == errc::circuit_open);
  CHECK(failure.fate == Fate::unknown);   // of the three before
  CHECK(world.count() == 3);
}

TEST_CASE("client limit: so many under way, others in order behind them, more refused") {
  World world(json{{"limit", {{"concurrent", 2}, {"queue", 3}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::silence);
  for (int i = 0; i < 2; ++i) world.outcomes.start(client, client.send<int>("a", i));
  REQUIRE(world.peer.reaches(2));
  for (int i = 2; i < 5; ++i) world.outcomes.start(client, client.send<int>("a", i));
  const Failure refused = failure_of(client.send<int>("a", 5));
  CHECK(refused.code == errc::overloaded);
  CHECK(refused.fate == Fate::not_sent);
  CHECK(client.counters().limit_refusals == 1);
  CHECK(world.count() == 2);
  CHECK(client.in_flight() == 5);
  CHECK(failure_of(static_cast<Call<Emitted>>(client.emit("e", 1, SendOptions().timeout(20ms)))).code == errc::timed_out);
}

TEST_CASE("client limit: who waits goes on when there is room, or ends by itself") {
  World world(json{{"limit", {{"concurrent", 1}, {"queue", 3}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::silence);
  world.outcomes.start(client, client.send<int>("first", 1));
  REQUIRE(world.peer.reaches(1));
  const Failure late = failure_of(client.send<int>("late", 1, SendOptions().timeout(20ms)));
  CHECK(late.code == errc::timed_out);
  CHECK(late.fate == Fate::not_sent);
  CHECK_THAT(late.detail, Catch::Contains("limit"));
  CHECK_THROWS_AS(client.send<int>("cancelled", 1).get(20ms), TimeoutError);
  for (const char* name : {"second", "third", "fourth"}) world.outcomes.start(client, client.send<int>(name, 1));
  CHECK(failure_of(client.send<int>("too many", 1)).code == errc::overloaded);   // the places of those that left were free
  for (std::size_t next = 1; next <= 4; ++next) {
    REQUIRE(world.peer.reaches(next));
    CHECK(world.count() == next);
    world.peer.answer(client, world.peer.seen.get().back().id);
  }
  REQUIRE(world.outcomes.reach(4));
  CHECK(world.outcomes.succeeded() == 4);
  std::vector<std::string> order;
  for (const Seen& each : world.peer.seen.get()) order.push_back(each.route);
  CHECK(order == std::vector<std::string>{"first", "second", "third", "fourth"});
  CHECK(client.in_flight() == 0);
}

TEST_CASE("client limit: who waits is not ended by a connection that goes") {
  World world(json{{"limit", {{"concurrent", 1}, {"queue", 10}}}});
  const Client client = world.client();
  world.peer.will({Kind::disconnect});
  for (int i = 0; i < 10; ++i) world.outcomes.start(client, client.send<int>("a", i));
  REQUIRE(world.outcomes.reach(10));
  CHECK(world.outcomes.succeeded() == 9);
  CHECK(world.outcomes.codes().front() == errc::connection_lost);
}

TEST_CASE("client limit: a close ends those that wait") {
  World world(json{{"limit", {{"concurrent", 1}}}});
  const Client client = world.client();
  world.peer.will({}, Kind::silence);
  for (int i = 0; i < 100; ++i) world.outcomes.start(client, client.send<int>("a", i));
  REQUIRE(world.peer.reaches(1));
  client.close().get();
  REQUIRE(world.outcomes.reach(100));
  for (const std::error_code& code : world.outcomes.codes()) CHECK(code == errc::closed);
  CHECK(world.count() == 1);
}

TEST_CASE("client limit: thousands that fail at once, one after the other") {
  World world(json{{"limit", {{"concurrent", 1}, {"queue", 5000}}}});
  const Client client = world.client();
  world.peer.will({Kind::silence}, Kind::not_taken);
  world.outcomes.start(client, client.send<int>("a", 0));
  REQUIRE(world.peer.reaches(1));
  for (int i = 0; i < 5000; ++i) world.outcomes.start(client, client.send<int>("a", i));
  world.peer.answer(client, world.peer.seen.get().front().id);
  REQUIRE(world.outcomes.reach(5001));
  CHECK(world.outcomes.succeeded() == 1);
}

TEST_CASE("client resilience: a call made within a handler has its deadline and its correlation id") {
  World world(retry(3, {{"idempotent", "*"}}));
  const Client client = world.client();
  const std::string route = "outer";
  const auto now = std::chrono::steady_clock::now();
  const auto within = [&](std::optional<std::chrono::steady_clock::time_point> deadline, SendOptions options = {}) {
    const Context context(spi::DeliveryPtr(new HandledMessage(client.loop(), world.app->plugins().serializer("json"), deadline)), "fake",
                          "s", route);
    return options.within(context), options;
  };
  CHECK(client.send<int>("a", 1, within(now + 10s)).get() == 1);
  CHECK(client.send<int>("a", 1, within(now + 10s, SendOptions().timeout(5s).header("correlation-id", "own"))).get() == 1);
  CHECK(client.send<int>("a", 1, within(std::nullopt, SendOptions().timeout(20s))).get() == 1);
  CHECK(client.emit("a", 1, within(now + 1s)).get() == Emitted::accepted);
  auto seen = world.peer.seen.get();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].deadline == now + 10s);
  CHECK(seen[0].headers.get("correlation-id") == "its id");
  CHECK(seen[1].deadline < now + 9s);
  CHECK(seen[1].headers.get("correlation-id") == "own");
  CHECK(seen[2].deadline > now + 15s);
  CHECK(seen[2].headers.get("correlation-id") == "its id");
  CHECK(seen[3].deadline == now + 1s);
  const Failure over = failure_of(client.send<int>("a", 1, within(now)));
  CHECK(over.code == errc::timed_out);
  CHECK(over.fate == Fate::not_sent);
  CHECK(world.count() == 4);   // not even a retry
  world.peer.will({}, Kind::silence);
  const Failure late = failure_of(client.send<int>("a", 1, within(std::chrono::steady_clock::now() + 20ms)));
  CHECK(late.code == errc::timed_out);
  CHECK(late.fate == Fate::unknown);
  CHECK_THAT(late.detail, Catch::Contains("deadline of what it is a part of"));
}

TEST_CASE("client resilience: what makes no sense is refused at start-up") {
  const auto refused = [](json settings) { return refusal([&] { return World(std::move(settings)).client().name(); }); };
  using Catch::Contains;
  CHECK_THAT(refused({{"retry", {{"attempts", 0}}}}), Contains("/clients/C/retry/attempts") && Contains("1 to 100"));
  CHECK_THAT(refused({{"retry", {{"on", "timeout"}}}}), Contains("/clients/C/retry/on"));
  CHECK_THAT(refused({{"retry", {{"backoff", "2s"}, {"maxBackoff", "1s"}}}}), Contains("/retry/maxBackoff: shorter than backoff"));
  CHECK(refused({{"retry", {{"backoff", "5s"}}}}).empty());
  CHECK_THAT(refused({{"timeout", "1s"}, {"retry", {{"attemptTimeout", "1s"}}}}), Contains("/retry/attemptTimeout: not shorter"));
  CHECK_THAT(refused({{"retry", {{"budget", {{"ratio", 0}, {"perSecond", 0}}}}}}), Contains("/retry/budget: allows no retry"));
  CHECK_THAT(refused({{"circuit", {{"failureRatio", 0}}}}), Contains("/circuit/failureRatio: found 0"));
  CHECK_THAT(refused({{"circuit", {{"failureRatio", 1.5}}}}), Contains("/circuit/failureRatio"));
  CHECK_THAT(refused({{"limit", json::object()}}), Contains("/clients/C/limit") && Contains("\"concurrent\" is missing"));
  CHECK_THAT(refused({{"maxInFlight", 100}, {"limit", {{"concurrent", 100}, {"queue", 1}}}}), Contains("/limit: concurrent and queue"));
}
