// Requests and their one outcome.

#include <numeric>
#include <thread>

#include <asio/experimental/awaitable_operators.hpp>

#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

struct User {
  int id = 0;
  std::string name;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(User, id, name)
};

void add_basics(Application& app) {
  app.on_message({{"cmd", "sum"}}, [](std::vector<double> xs) { return std::accumulate(xs.begin(), xs.end(), 0.0); });
  app.on_message("echo", [](Payload payload) { return payload; });
  app.on_message("echo.json", [](const json& value) { return value; });
}

}  // namespace

TEST_CASE("request and response") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  CHECK(client.send<double>({{"cmd", "sum"}}, std::vector<double>{1, 2, 3}).get() == 6);
  CHECK(client.send<double>({{"cmd", "sum"}}, std::vector<int>{}).get(10s) == 0);
  CHECK(client.send<std::string>("echo", "hi").get() == "hi");
  CHECK(client.status() == Status::connected);
}

TEST_CASE("a coroutine handler, awaited from a coroutine") {
  World world;
  world.serve([](Application& app) {
    app.on_message("user.get", [](int id, Context& context) -> task<User> {
      asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
      co_await timer.async_wait(asio::use_awaitable);
      User user;
      user.id = id;
      user.name = context.pattern();
      co_return user;
    });
  });
  const Client client = world.client();
  User user;
  run_on(world.client_application(), [&]() -> task<void> { user = co_await client.send<User>("user.get", 7); }());
  CHECK(user.id == 7);
  CHECK(user.name == "user.get");
}

TEST_CASE("calls are joined with Asio's operators") {
  using namespace asio::experimental::awaitable_operators;
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  double total = 0;
  run_on(world.client_application(), [&]() -> task<void> {
    auto one = client.send<double>({{"cmd", "sum"}}, std::array<int, 2>{1, 2});
    auto two = client.send<double>({{"cmd", "sum"}}, std::array<int, 1>{4});
    auto both = co_await (std::move(one) && std::move(two));
    total = std::get<0>(both) + std::get<1>(both);
  }());
  CHECK(total == 7);
}

TEST_CASE("what a handler throws is what the caller gets") {
  World world;
  world.serve([](Application& app) {
    app.on_message("text", [] { throw RpcError("boom"); });
    app.on_message("object", [] { throw RpcError(json{{"code", 42}, {"message", "boom"}, {"extra", json::array({1})}}); });
    app.on_message("number", [] { throw RpcError(json(7)); });
    app.on_message("array", [] { throw RpcError(json::array({"a", "b"})); });
    app.on_message("other", [] { throw std::runtime_error("a secret of the service"); });
    app.on_message("coroutine", []() -> task<int> {
      throw RpcError("from a coroutine");
      co_return 0;
    });
  });
  const Client client = world.client();
  const auto body = [&client](const char* pattern) {
    try {
      client.send<json>(pattern).get();
    } catch (const RpcError& error) {
      CHECK(error.code() == errc::rejected);
      CHECK(error.fate() == Fate::confirmed);
      return error.body();
    }
    return json("no error");
  };
  set_log_level(LogLevel::off);
  CHECK(body("text") == json{{"status", "error"}, {"message", "boom"}});
  CHECK(body("object") == json{{"code", 42}, {"message", "boom"}, {"extra", json::array({1})}});
  CHECK(body("number") == json{{"status", "error"}, {"message", 7}});
  CHECK(body("array") == json::array({"a", "b"}));
  CHECK(body("other") == json{{"status", "error"}, {"message", "Internal server error"}});
  CHECK(body("coroutine") == json{{"status", "error"}, {"message", "from a coroutine"}});
  set_log_level(LogLevel::error);
}

TEST_CASE("an unknown pattern") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  if (world.capabilities().no_handler_reply) {
    CHECK_THROWS_AS(client.send<int>("nobody.home", 1).get(), NoHandlerError);
    CHECK_THROWS_AS(client.send<int>({{"z", 1}, {"a", 2}}, 1).get(), NoHandlerError);
  } else {
    CHECK_THROWS_AS(client.send<int>("nobody.home", 1, SendOptions().timeout(200ms)).get(), TimeoutError);
  }
  CHECK(client.send<std::string>("echo", "still there").get() == "still there");
}

TEST_CASE("the order of a pattern's members does not matter") {
  World world;
  world.serve([](Application& app) {
    app.on_message({{"service", "user"}, {"cmd", "get"}, {"v", 2}}, [] { return "object"; });
    app.on_message(7, [] { return "number"; });
    app.on_message(Pattern::from_json(R"({"b":1,"a":{"d":"x","c":2}})"), [] { return "nested"; });
  });
  const Client client = world.client();
  CHECK(client.send<std::string>({{"v", 2}, {"cmd", "get"}, {"service", "user"}}).get() == "object");
  CHECK(client.send<std::string>("7").get() == "number");
  CHECK(client.send<std::string>(Pattern::from_json(R"({"a":{"c":2,"d":"x"},"b":1})")).get() == "nested");
}

TEST_CASE("null, missing and empty values") {
  World world;
  world.serve([](Application& app) {
    add_basics(app);
    app.on_message("has.payload", [](Payload payload) { return payload.has_value(); });
    app.on_message("optional", [](std::optional<int> value) { return value.value_or(-1); });
    app.on_message("nothing", [] {});
    app.on_message("returns.null", [] { return nullptr; });
    app.on_message("needs.int", [](int value) { return value; });
  });
  const Client client = world.client();
  CHECK(client.send<json>("echo", nullptr).get().is_null());
  CHECK(client.send<json>("echo", false).get() == json(false));
  CHECK(client.send<json>("echo", 0).get() == json(0));
  CHECK(client.send<json>("echo", "").get() == json(""));
  CHECK(client.send<bool>("has.payload", nullptr).get());
  CHECK_FALSE(client.send<bool>("has.payload").get());
  CHECK(client.send<int>("optional").get() == -1);
  CHECK(client.send<int>("optional", nullptr).get() == -1);
  CHECK(client.send<int>("optional", 5).get() == 5);
  client.send<void>("nothing").get();
  CHECK_FALSE(client.send<std::optional<int>>("nothing").get().has_value());
  CHECK_FALSE(client.send<std::optional<int>>("returns.null").get().has_value());
  try {
    client.send<int>("nothing").get();
    FAIL("a value out of nothing");
  } catch (const Error& error) {
    CHECK(error.code() == errc::no_reply);
  }
  set_log_level(LogLevel::off);
  CHECK_THROWS_AS(client.send<int>("needs.int").get(), RpcError);
  set_log_level(LogLevel::error);
}

TEST_CASE("payloads of the wrong type") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  set_log_level(LogLevel::off);
  try {
    client.send<double>({{"cmd", "sum"}}, "no list").get();
    FAIL("a string was taken for a list");
  } catch (const RpcError& error) {
    CHECK_THAT(error.body()["message"].get<std::string>(), Catch::Contains("bad payload"));
  }
  set_log_level(LogLevel::error);
  CHECK_THROWS_AS(client.send<std::vector<int>>("echo", "no list").get(), SerializationError);
  CHECK_THROWS_AS(client.send<int>("echo", 1.5).get(), SerializationError);
  CHECK(client.send<int>("echo", 5).get() == 5);
}

TEST_CASE("unicode in payloads and patterns") {
  World world;
  world.serve([](Application& app) {
    add_basics(app);
    app.on_message("grüße.€.😀", [](std::string text) { return text + "!"; });
    app.on_message({{"cmd", "ünï😀"}}, [](std::string text) { return text; });
  });
  const Client client = world.client();
  for (const char* text : {"é", "€", "😀", "👨‍👩‍👧", "🇵🇱", "e\xcc\x81", "𠀀", "aé€😀", "\xe2\x80\xa8", "\x01\x1f\"\\/\b\f\n\r\t",
                           "日本語", "\xef\xbf\xbd"}) {
    CAPTURE(text);
    CHECK(client.send<std::string>("echo", text).get() == text);
    CHECK(client.send<json>("echo.json", json{{text, text}}).get() == json{{text, text}});
  }
  CHECK(client.send<std::string>("grüße.€.😀", "né").get() == "né!");
  CHECK(client.send<std::string>({{"cmd", "ünï😀"}}, "x").get() == "x");
}

TEST_CASE("numbers arrive as they were") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  for (const double value : {0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, -2.5, 1.0 / 3}) {
    CHECK(client.send<double>("echo", value).get() == value);
    CHECK(client.send<json>("echo.json", value).get() == json(value));
  }
  for (const std::int64_t value : {INT64_MIN, INT64_C(-1), INT64_C(9007199254740993), INT64_MAX}) {
    CHECK(client.send<std::int64_t>("echo", value).get() == value);
  }
  CHECK(client.send<std::uint64_t>("echo", UINT64_MAX).get() == UINT64_MAX);
}

TEST_CASE("big payloads") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  for (const std::size_t size : {15000, 17000, 65536, 1000000, 8 << 20}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; i += 97) text[i] = static_cast<char>('a' + i % 26);
    CHECK((client.send<std::string>("echo", text).get() == text));
  }
  std::string wide;
  for (int i = 0; i < 100000; ++i) wide += "é€😀";
  CHECK((client.send<std::string>("echo", wide).get() == wide));
}

TEST_CASE("binary data") {
  World world;
  world.serve([](Application& app) {
    app.on_message("echo.bytes", [](Bytes bytes) { return bytes; });
    app.on_message("size", [](const Bytes& bytes) { return bytes.size(); });
  });
  const Client client = world.client();
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(client.send<Bytes>("echo.bytes", Bytes(all)).get() == Bytes(all));
  CHECK(client.send<Bytes>("echo.bytes", Bytes()).get().empty());
  CHECK(client.send<std::size_t>("size", Bytes(std::string(1 << 20, '\xff'))).get() == 1U << 20);
}

TEST_CASE("many concurrent calls from many threads") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  constexpr int threads = 8;
  constexpr int calls = 250;
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < threads; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < calls; ++i) {
        const std::array<int, 2> xs{t, i};
        if (client.send<double>({{"cmd", "sum"}}, xs).get() == t + i) ++right;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(right == threads * calls);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("many calls in flight on one connection") {
  World world;
  world.serve([](Application& app) {
    app.on_message("later", [](int value) -> task<int> {
      asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(value % 7));
      co_await timer.async_wait(asio::use_awaitable);
      co_return value;
    });
  });
  const Client client = world.client();
  constexpr int calls = 2000;
  Counter done;
  std::atomic<int> right{0};
  for (int i = 0; i < calls; ++i) {
    asio::co_spawn(client.loop().executor(), client.send<int>("later", i),
                   [&, i](std::exception_ptr error, int value) {
                     if (!error && value == i) ++right;
                     done.add();
                   });
  }
  REQUIRE(done.reaches(calls));
  CHECK(right == calls);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("headers travel with requests and events") {
  Watched<Headers> heard;
  World world;
  FERRY_NEEDS(world, headers);
  world.serve([&](Application& app) {
    app.on_message("headers", [](Context& context) {
      json all = json::object();
      for (const auto& [name, value] : context.headers()) all[name] = value;
      return all;
    });
    app.on_message("correlation", [](Context& context) { return context.correlation_id(); });
    app.on_event("heard", [&](Context& context) { heard.change([&](Headers& value) { value = context.headers(); }); });
  });
  const Client client = world.client();
  CHECK(client.send<json>("headers").get() == json::object());
  for (int i = 0; i < 3; ++i) {   // the first call of a connection and later ones
    CHECK(client.send<json>("headers", 1, SendOptions().header("tenant", "acme").header("x", "é\"€")).get() ==
          json{{"tenant", "acme"}, {"x", "é\"€"}});
  }
  CHECK(client.send<std::string>("correlation", 1, SendOptions().header("correlation-id", "c-1")).get() == "c-1");
  CHECK_FALSE(client.send<std::string>("correlation").get().empty());
  client.emit("heard", 1, SendOptions().header("tenant", "acme")).get();
  REQUIRE(heard.wait([](const Headers& value) { return !value.empty(); }));
  CHECK(heard.get() == Headers().set("tenant", "acme"));
}

TEST_CASE("a raw payload is forwarded unparsed") {
  World world;
  world.serve(add_basics);
  const Client client = world.client();
  const Payload raw = client.send<Payload>("echo", json{{"b", 1}, {"a", json::array({1, 2})}}).get();
  CHECK(raw.as<json>() == json{{"b", 1}, {"a", json::array({1, 2})}});
  CHECK(client.send<json>("echo", raw).get() == raw.as<json>());
  CHECK(client.send<json>("echo", Payload::from_json(R"({"x":"y"})")).get() == json{{"x", "y"}});
}

TEST_CASE("a handler that takes another transport's context is refused at start-up") {
  World world;
  const auto start = [&](auto handler, std::string_view name) {
    try {
      world.serve([&](Application& app) { app.on_message("x", handler); });
      CHECK(world.transport() == name);   // its own context is taken
    } catch (const ConfigError& error) {
      CHECK(world.transport() != name);
      CHECK_THAT(error.what(), Catch::Contains("takes the context of the transport " + std::string(name)));
    }
  };
  start([](RedisContext& context) { return context.channel(); }, "redis");
  start([](NatsContext& context) { return context.subject(); }, "nats");
  start([](KafkaContext& context) { return context.topic(); }, "kafka");
}
