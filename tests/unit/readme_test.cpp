// Every spelling of README.md and of pages in docs, compiled and run. tests/unit/readme_lines.cmake holds the two together.

#include <array>
#include <atomic>
#include <chrono>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/await.hpp"
#include "catch.hpp"
#include <ferry/ferry.hpp>

using namespace std::chrono_literals;

namespace {

void add_readme_handlers(ferry::Application& app) {
  app.on_message({{"cmd", "sum"}}, [](std::vector<double> xs) {
    return std::accumulate(xs.begin(), xs.end(), 0.0);
  });
  app.on_message("countdown", [](int from, ferry::ReplyWriter<int>& out) -> ferry::task<void> {
    for (int i = from; i > 0; --i) co_await out.write(i);   // a stream of replies, with back-pressure
  });
  app.on_event("user_created", [](const nlohmann::json& user) { std::cout << "welcome " << user["name"] << "\n"; });
  app.on_event("user_created", [](ferry::Context& ctx) { std::cout << "by " << ctx.transport() << "\n"; });
}

ferry::task<void> calls(ferry::Application& app) {
  auto math = app.client("MATH_SERVICE");   // lazy: connects at the first call, and again by itself
  const std::vector<double> numbers{1, 2, 3};

  double total = co_await math.send<double>({{"cmd", "sum"}}, numbers);   // cold: nothing leaves before it is awaited
  for (auto stream = math.stream<int>("countdown", 3); auto i = co_await stream.next();) total += *i;

  const nlohmann::json user{{"name", "Ada"}};
  math.emit("user_created", user);                 // hot: on its way already
  co_await math.emit("user_created", user);        // ... and its outcome may be awaited
  try {
    co_await math.send<double>("no.such.pattern", total, ferry::SendOptions().timeout(500ms).header("tenant", "acme"));
  } catch (const ferry::NoHandlerError&) {         // RpcError, TimeoutError, ConnectionError ...: each with code() and fate()
  }
  CHECK(total == 12);
}

double blocking(ferry::Client math) {
  return math.send<double>({{"cmd", "sum"}}, std::array{1, 2, 3}).get(2s);   // for code without coroutines
}

ferry::task<int> stock_of(ferry::Client orders, std::string item, ferry::Context& ctx) {
  auto call = orders.send<int>("stock.get", item, ferry::SendOptions().within(ctx).idempotent().attempts(5));
  co_return co_await ferry::with_fallback(std::move(call), 0);   // nobody answers: none in stock
}

struct Counter {
  int add(int n) { return total += n; }
  ferry::task<int> later(int n) const { co_return total + n; }
  int total = 0;
};

void protect(ferry::Application& app) {
  app.use(ferry::Pipeline()
              .interceptor(ferry::log_calls())
              .filter([](const std::invalid_argument& error) { return nlohmann::json{{"code", 400}, {"message", error.what()}}; }));

  auto accounts = app.group("accounts.").use(ferry::Pipeline().guard([](ferry::Context& ctx) {
    return ctx.headers().get("token") == "secret";   // false: the caller is told "Forbidden resource", as by NestJS
  }));
  accounts.on_message("close", [](int id) { return id; },   // "accounts.close"
                      ferry::Pipeline().pipe(ferry::required({"id"})).pipe(ferry::pick("id")));
}

class Stock {
 public:
  explicit Stock(int items) : items_(items) {}
  void routes(ferry::HandlerScope on) {
    on.use(ferry::Pipeline().interceptor(ferry::timeout(2s)));
    on.on_message("count", this, &Stock::count);
    on.on_event("sold", this, &Stock::sold);
  }

 private:
  int count() { return items_; }
  void sold(int n) { items_ -= n; }
  std::atomic<int> items_;
};

void rely(ferry::Application& app) {
  app.on_event("paid", [](int) {}, ferry::needs::at_least_once | ferry::needs::ordered_by_key);
}

}  // namespace

TEST_CASE("docs: a page on what stands around handlers does what it says") {
  const char* const config = R"({
    "services": { "bank": { "transport": "memory", "options": { "name": "docs bank" }, "orderBy": "/id" } },
    "clients": { "BANK": { "transport": "memory", "options": { "name": "docs bank" } } }
  })";
  ferry::Application app(ferry::Config::from_text(config, "bank.json"));
  protect(app);
  app.group("stock.").controller<Stock>(100);
  app.start();
  const ferry::Client client = app.client("BANK");
  const nlohmann::json account{{"id", 7}};
  const auto close = [&](const nlohmann::json& which, const char* token) {
    return client.send<int>("accounts.close", which, ferry::SendOptions().header("token", token)).get();
  };
  CHECK(close(account, "secret") == 7);
  CHECK_THROWS_WITH(close(account, "guess"), Catch::Contains("Forbidden resource"));
  CHECK_THROWS_WITH(close({{"name", "x"}}, "secret"), Catch::Contains("/id is required"));
  CHECK(client.send<int>("stock.count").get() == 100);
  CHECK(app.stop());

  ferry::Application reliant(ferry::Config::from_text(config, "bank.json"));
  rely(reliant);
  CHECK_THROWS_WITH(reliant.start(), Catch::Contains("needs at_least_once"));
}

TEST_CASE("docs: a page on services that fail does what it says") {
  const char* const config = R"({
    "services": { "shop": { "transport": "memory", "options": { "name": "docs shop" } } },
    "clients": {
      "SHOP": { "transport": "memory", "options": { "name": "docs shop" } },
      "ORDERS": {
        "transport": "memory", "options": { "name": "docs orders" },
        "timeout": "300ms",
        "retry": { "attempts": 3, "attemptTimeout": "100ms", "idempotent": ["orders.get", "stock.*"] },
        "circuit": { "failureRatio": 0.5, "minimumCalls": 20, "openFor": "5s" },
        "limit": { "concurrent": 100, "queue": 1000 }
      }
    }
  })";
  ferry::Application app(ferry::Config::from_text(config, "orders.json"));
  app.on_message("stock", [&app](std::string item, ferry::Context& ctx) { return stock_of(app.client("ORDERS"), item, ctx); });
  app.start();
  CHECK(app.client("SHOP").send<int>("stock", "apples").get() == 0);   // nobody has the orders
  CHECK(app.client("ORDERS").counters().retries > 0);
  CHECK(app.stop());
}

TEST_CASE("README: its code does what it says") {
  const char* const config = R"({
    "services": { "math": { "transport": "memory", "options": { "name": "readme" } } },
    "clients": { "MATH_SERVICE": { "transport": "memory", "options": { "name": "readme" } } }
  })";
  ferry::Application app(ferry::Config::from_text(config, "math.json"));
  add_readme_handlers(app);
  const auto counter = std::make_shared<Counter>();
  app.on_message("add", counter, &Counter::add);
  app.on_message("later", counter.get(), &Counter::later);
  app.start();
  ferry::test::Watched<std::optional<std::exception_ptr>> done;
  asio::co_spawn(app.runtime().next_loop().executor(), calls(app), [&](std::exception_ptr error) {
    done.change([&](auto& value) { value = error; });
  });
  REQUIRE(done.wait([](const auto& value) { return value.has_value(); }));
  if (const auto outcome = done.get(); *outcome) std::rethrow_exception(*outcome);
  CHECK(blocking(app.client("MATH_SERVICE")) == 6);
  CHECK(app.client("MATH_SERVICE").send<int>("add", 5).get() == 5);
  CHECK(app.client("MATH_SERVICE").send<int>("later", 2).get() == 7);
  CHECK(app.stop());
}
