// Ready-made pipes and interceptors, groups and controllers, and what is refused.

#include <atomic>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "recent.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// A service of handlers and its client.
class Pair {
 public:
  explicit Pair(const std::function<void(Application&)>& handlers, json settings = json::object())
      : app_(Config::from_json({{"services", {{"one", service(std::move(settings))}}},
                                {"clients", {{"C", {{"transport", "memory"}, {"options", {{"name", "pipeline"}}}}}}}})) {
    handlers(app_);
    app_.start();
  }
  Application& app() { return app_; }
  Client client() { return app_.client("C"); }
  std::string error_of(const char* pattern, const json& payload) {
    try {
      client().send<json>(pattern, payload).get();
    } catch (const RpcError& error) {
      return error.body().at("message");
    }
    return "none";
  }

 private:
  static json service(json settings) {
    settings.update({{"transport", "memory"}, {"options", {{"name", "pipeline"}}}});
    return settings;
  }
  Application app_;
};

/// Remembers in this process, and counts who was told not to handle it.
class CountingSeen final : public SeenMessages {
 public:
  task<Handled> begin(std::string id) override {
    const Handled before = co_await seen_->begin(std::move(id));
    if (before == Handled::running) running.add();
    if (before == Handled::done) already_done.add();
    co_return before;
  }
  task<void> done(std::string id) override { return seen_->done(std::move(id)); }
  task<void> failed(std::string id) override { return seen_->failed(std::move(id)); }

  Counter running;
  Counter already_done;

 private:
  const std::shared_ptr<SeenMessages> seen_ = seen_in_memory();
};

class Lines {
 public:
  Lines() {
    set_log_sink([this](LogLevel, std::string_view component, std::string_view text) {
      all_.change([&](std::string& all) { all.append(component).append(": ").append(text).append("\n"); });
    });
  }
  ~Lines() { set_log_sink(nullptr, LogLevel::error); }
  std::string get() const { return all_.get(); }

 private:
  Watched<std::string> all_;
};

class Shelf {
 public:
  explicit Shelf(int items) : items_(items) {}
  void routes(HandlerScope on) {
    on.on_message("count", this, &Shelf::count);
    on.on_message("take", this, &Shelf::take, Pipeline().pipe([](int n) { return n < 0 ? 0 : n; }));
  }

 private:
  int count() { return items_; }
  int take(int n) { return items_ -= n; }
  std::atomic<int> items_;
};

}  // namespace

TEST_CASE("pipes: a member is picked by name or pointer; where it is not there, there is no payload") {
  Pair pair([](Application& app) {
    app.on_message("id", [](int id) { return id; }, Pipeline().pipe(pick("id")));
    app.on_message("deep", [](std::optional<std::string> name) { return name.value_or("nobody"); }, Pipeline().pipe(pick("/user/names/0")));
    app.on_message("slash", [](int n) { return n; }, Pipeline().pipe(pick("a b~")));
  });
  CHECK(pair.client().send<int>("id", json{{"id", 7}, {"x", 1}}).get() == 7);
  CHECK(pair.error_of("id", {{"other", 7}}).find("no payload") != std::string::npos);
  CHECK(pair.error_of("id", 7).find("no payload") != std::string::npos);
  CHECK(pair.client().send<std::string>("deep", json{{"user", {{"names", {"Ada", "Bob"}}}}}).get() == "Ada");
  CHECK(pair.client().send<std::string>("deep", json{{"user", {{"names", json::array()}}}}).get() == "nobody");
  CHECK(pair.client().send<std::string>("deep").get() == "nobody");
  CHECK(pair.client().send<int>("slash", json{{"a b~", 3}}).get() == 3);
  CHECK_THROWS_AS(pick("/a~2"), std::invalid_argument);
}

TEST_CASE("pipes: what is required, and ranges") {
  Pair pair([](Application& app) {
    app.on_message("order", [](const json& order) { return order; },
                   Pipeline().pipe(required({"id", "/user/name"})).pipe(in_range("/amount", 1, 2.5)));
  });
  const json good{{"id", 1}, {"user", {{"name", "Ada"}}}, {"amount", 2}};
  CHECK(pair.client().send<json>("order", good).get() == good);
  const auto without = [&](const char* pointer, const json& value) {
    json order = good;
    order[json::json_pointer(pointer)] = value;
    return pair.error_of("order", order);
  };
  CHECK(without("/id", nullptr) == "/id is required");
  CHECK(without("/user", json::object()) == "/user/name is required");
  CHECK(without("/amount", 0.5) == "/amount must be a number from 1.0 to 2.5");
  CHECK(without("/amount", "2") == "/amount must be a number from 1.0 to 2.5");
  CHECK(pair.error_of("order", 5) == "/id is required");
}

TEST_CASE("pipes: lengths, and values of a few") {
  Pair pair([](Application& app) {
    app.on_message("user", [](const json& user) { return user; },
                   Pipeline().pipe(length_in("name", 2, 4)).pipe(one_of("/role", {"admin", "guest", 7, nullptr})));
  });
  const auto error = [&](const json& user) { return pair.error_of("user", user); };
  CHECK(error(json::object()) == "none");   // none of it need be there
  CHECK(error({{"name", "Zo\u00eb"}, {"role", "guest"}}) == "none");
  CHECK(error({{"name", "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"}, {"role", 7}}) == "none");   // four characters
  CHECK(error({{"name", json::array({1, 2})}, {"role", nullptr}}) == "none");
  CHECK(error({{"name", "A"}}) == "/name must have from 2 to 4 characters or elements");
  CHECK(error({{"name", "Adele"}}) == "/name must have from 2 to 4 characters or elements");
  CHECK(error({{"name", 22}}) == "/name must have from 2 to 4 characters or elements");
  CHECK(error({{"name", {{"a", 1}, {"b", 2}}}}) == "/name must have from 2 to 4 characters or elements");
  CHECK(error({{"role", "root"}}) == R"(/role must be one of "admin", "guest", 7, null)");
}

TEST_CASE("interceptors: a handler that takes too long is cut off") {
  Pair pair([](Application& app) {
    app.on_message("slow", []() -> task<int> {
      asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
      co_await timer.async_wait(asio::use_awaitable);
      co_return 1;
    }, Pipeline().interceptor(timeout(10ms)));
    app.on_message("quick", [] { return 1; }, Pipeline().interceptor(timeout(1h)));
  });
  CHECK(pair.error_of("slow", {}) == "The handler took longer than 10 ms");
  CHECK(pair.client().send<int>("quick").get() == 1);
}

TEST_CASE("interceptors: every message is logged, with its correlation id and its end") {
  const Lines lines;
  Pair pair([](Application& app) {
    app.use(Pipeline().interceptor(log_calls()));
    app.on_message("fine", [] { return 1; });
    app.on_event("bad", [] { throw std::runtime_error("broken"); });
  });
  pair.client().send<int>("fine", json(), SendOptions().header("correlation-id", "abc")).get();
  pair.client().emit("bad").get();
  CHECK(pair.app().stop());
  const std::string text = lines.get();
  CAPTURE(text);
  CHECK(text.find("service one: request fine [abc] ") != std::string::npos);
  CHECK(text.find(" ms: done") != std::string::npos);
  CHECK(text.find("service one: event bad ") != std::string::npos);
  CHECK(text.find(" ms: broken") != std::string::npos);
}

TEST_CASE("interceptors: an answer is kept for the same question; failures and streams are not") {
  std::atomic<int> asked{0};
  Pair pair([&](Application& app) {
    app.use(Pipeline().interceptor(cache({.time_to_live = 1h, .max_entries = 2})));
    app.on_message("double", [&](int n) { return ++asked, n > 0 ? 2 * n : throw RpcError("no"); });
    app.on_message("triple", [&](int n) { return ++asked, 3 * n; });
    app.on_message("both", [&](ReplyWriter<int>& out) -> task<void> {
      ++asked;
      co_await out.write(1);
      co_await out.write(2);
    });
    app.on_message("nothing", [&](int) { ++asked; });
  });
  const auto ask = [&](const char* pattern, int n) {
    const int before = asked;
    const int answer = pair.client().send<int>(pattern, n).get();
    return std::pair(answer, asked - before);
  };
  CHECK(ask("double", 1) == std::pair(2, 1));
  CHECK(ask("double", 1) == std::pair(2, 0));
  CHECK(ask("triple", 1) == std::pair(3, 1));   // another route
  CHECK(ask("double", 2) == std::pair(4, 1));
  CHECK(ask("double", 1) == std::pair(2, 1));   // the oldest of three went
  for (int i = 0; i < 2; ++i) {
    const int before = asked;
    CHECK(pair.error_of("double", -1) == "no");
    CHECK(asked == before + 1);
    CHECK(pair.client().send<int>("both").get() == 2);
    CHECK(asked == before + 2);
    pair.client().send<void>("nothing", 1).get();
    CHECK(asked == before + 3);
  }
}

TEST_CASE("a payload that cannot be read is the caller's to know, one of the handler's own calls is not") {
  const Lines quiet;
  const int one = 1;
  Pair* world = nullptr;
  Pair pair([&](Application& app) {
    app.on_message("int", [](int n) { return n; });
    app.on_message("behind", [](const std::string& text) { return text; }, Pipeline().pipe(pick("text")));
    app.on_message("piped", [](int n) { return n; }, Pipeline().pipe([](int n) { return n; }));
    app.on_message("raw", [](Payload payload) { return payload.as<int>(); });
    app.on_message("secret", [] { return "the secret"; });
    app.on_message("reply", [&]() -> task<int> { co_return co_await world->client().send<int>("secret", one); });
    app.on_message("kept", [] { return Payload::from_json(R"("the secret")").as<int>(); });
  });
  world = &pair;
  for (const char* const own : {"int", "piped", "raw"}) {
    CAPTURE(own);
    CHECK_THAT(pair.error_of(own, "text"), Catch::Contains("bad payload"));
  }
  CHECK_THAT(pair.error_of("behind", {{"text", 5}}), Catch::Contains("bad payload"));
  for (const char* const inner : {"reply", "kept"}) {
    CAPTURE(inner);
    CHECK(pair.error_of(inner, 1) == "Internal server error");
  }
}

TEST_CASE("interceptors: an event is handled once, unless it failed") {
  const Lines quiet;
  Counter handled;
  Pair pair([&](Application& app) {
    app.on_event("paid", [&](const json& event) {
      handled.add();
      if (event.at("id") == "b" && handled.get() == 2) throw std::runtime_error("not now");
    }, Pipeline().interceptor(handle_once(seen_in_memory(), [](Context& context) {
      return context.payload().as<json>().value("id", std::string());
    })));
  }, {{"retry", {{"attempts", 1000}, {"backoff", "10ms"}, {"maxBackoff", "10ms"}}}});   // of those that come while one is handled
  const auto emit = [&](const char* id) { pair.client().emit("paid", json{{"id", id}}).get(); };
  for (const char* id : {"a", "b", "a", "b", "b", "", ""}) emit(id);   // a, b (fails), b, and both without a name
  CHECK(handled.reaches(5));
  CHECK(pair.app().stop());
  CHECK(handled.get() == 5);
}

TEST_CASE("interceptors: an event that comes again while it is handled is not taken for handled") {
  const Lines quiet;
  const auto seen = std::make_shared<CountingSeen>();
  Counter begun;
  Counter ended;
  Watched<asio::steady_timer*> gate{nullptr};
  Pair pair([&](Application& app) {
    app.on_event("paid", [&](const json&) -> task<void> {
      begun.add();
      if (begun.get() > 1) co_return ended.add();
      asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
      gate.change([&](auto*& value) { value = &timer; });
      asio::error_code cancelled;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
      throw std::runtime_error("and then it failed");
    }, Pipeline().interceptor(handle_once(seen, [](Context&) { return "one"; })));
  }, {{"retry", {{"attempts", 1000}, {"backoff", "10ms"}, {"maxBackoff", "10ms"}}}});
  pair.client().emit("paid", json::object()).get();
  REQUIRE(gate.wait([](const auto* value) { return value != nullptr; }));
  pair.client().emit("paid", json::object()).get();
  REQUIRE(seen->running.reaches(2));   // it waits for the first
  CHECK(begun.get() == 1);
  asio::post(gate.get()->get_executor(), [&] { gate.get()->cancel(); });
  CHECK(ended.reaches(1));
  CHECK(seen->already_done.reaches(1));   // whichever came second
  CHECK(pair.app().stop());
  CHECK(begun.get() == 2);
}

TEST_CASE("groups and controllers: prefixes, the stages of each scope, and what is refused") {
  Counter seen;
  const auto counting = Pipeline().guard([&](Context&) { return seen.add(), true; });
  const auto nothing = [] { return 1; };
  Pair pair([&](Application& app) {
    app.on_message("outside", nothing);
    auto shop = app.group("shop.");
    shop.group("a.").controller<Shelf>(10);
    auto b = shop.group("b.");
    b.use(counting).controller(std::make_shared<Shelf>(5));
    b.use(counting);   // and again: those before, too
    shop.group().on_message("plain", nothing);
    CHECK_THROWS_AS(shop.on_message({{"cmd", "x"}}, nothing), std::invalid_argument);
    CHECK_THROWS_AS(shop.on_message(5, nothing), std::invalid_argument);
    CHECK_NOTHROW(app.group().on_message({{"cmd", "x"}}, nothing));
  });
  const Client client = pair.client();
  CHECK(client.send<int>("outside").get() == 1);
  CHECK(client.send<int>("shop.plain").get() == 1);
  CHECK(client.send<int>("shop.a.take", 3).get() == 7);
  CHECK(client.send<int>("shop.a.take", -3).get() == 7);
  CHECK(client.send<int>("shop.a.count").get() == 7);
  CHECK(seen.get() == 0);
  CHECK(client.send<int>("shop.b.count").get() == 5);
  CHECK(seen.get() == 2);
  CHECK_THROWS_AS(pair.app().use(Pipeline()), std::logic_error);   // it has started
}

TEST_CASE("a service's stages stand around all that it handles, another's do not") {
  Counter guarded;
  const auto service = [](const char* name) { return json{{"transport", "memory"}, {"options", {{"name", name}}}}; };
  const auto client = service;
  Application app(Config::from_json({{"services", {{"inner", service("in")}, {"outer", service("out")}}},
                                     {"clients", {{"IN", client("in")}, {"OUT", client("out")}}}}));
  app.on_message("both", [](Context& context) { return std::string(context.service()); });
  app.service("outer").use(Pipeline().guard([&](Context&) { return guarded.add(), true; }));
  app.service("outer").on_message("own", [] { return "own"; });
  app.start();
  CHECK(app.client("IN").send<std::string>("both").get() == "inner");
  CHECK(guarded.get() == 0);
  CHECK(app.client("OUT").send<std::string>("both").get() == "outer");
  CHECK(guarded.get() == 1);
  CHECK(app.client("OUT").send<std::string>("own").get() == "own");
  CHECK(guarded.get() == 2);   // once, not for each of its scopes
  CHECK_THROWS_AS(app.client("IN").send<std::string>("own").get(), NoHandlerError);
}

TEST_CASE("what is kept of the recent is bounded in number, bytes and age") {
  using Clock = std::chrono::steady_clock;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    detail::Recent<int> recent(8, 100, 50ms);
    Clock::time_point now = Clock::time_point() + 1h;
    std::map<std::string, std::pair<int, Clock::time_point>> last;
    for (int step = 0; step < 300; ++step) {
      now += std::chrono::milliseconds(random() % 5);
      const std::string key = std::to_string(random() % 20);
      if (random() % 2 == 0) {
        const std::size_t bytes = random() % 120;
        recent.put(key, step, bytes, now);
        last[key] = {step, now};
        REQUIRE((recent.find(key, now) != nullptr) == (bytes <= 100));
      } else if (const int* value = recent.find(key, now)) {
        REQUIRE(*value == last[key].first);
        REQUIRE(now - last[key].second < 50ms);
      }
      REQUIRE(recent.size() <= 8);
      REQUIRE(recent.bytes() <= 100);
    }
  }
}
