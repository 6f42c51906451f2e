// NestJS peers in contract mode, both directions.

#include "../interop/peers.hpp"
#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/gate.hpp"
#include "../support/outcome.hpp"
#include "contract_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

std::vector<std::string> arguments_for(const std::string& url) {
  return {"--url", url, "--proto", proto_directory() + "/hero.proto"};
}

}  // namespace

TEST_CASE("NestJS client, ferry service") {
  if (!nest_is_installed()) return;
  Counter cancelled;
  Watched<std::vector<json>> ids;
  Application service = contract_service(
      {{"routes", {{{"pattern", {{"cmd", "sum"}}}, {"method", "MathService/Sum"}, {"request", "numbers"}, {"response", "value"}}}}});
  service.on_message({{"service", "HeroService"}, {"rpc", "FindOne"}}, [&](json by, Context& context) -> task<json> {
    ids.change([&](auto& all) { all.push_back(by); });
    const int id = by.value("id", -1000);
    if (id == 99) throw std::runtime_error("secret");
    if (id == -5) throw RpcError(json{{"code", 5}, {"message", "nf"}});
    if (id == 1000) {
      asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
      co_await timer.async_wait(asio::use_awaitable);
    }
    json hero{{"id", id}, {"name", context.headers().get("tenant").value_or("none")}};
    co_return hero;
  });
  service.on_message({{"service", "HeroService"}, {"rpc", "FindMany"}}, [&](const json& by, ReplyWriter<json>& out) -> task<void> {
    const int count = by.value("id", 0);
    json hero;
    try {
      for (int i = 0; count < 0 || i < count; ++i) {
        hero["id"] = i;
        co_await out.write(hero);
      }
    } catch (...) {
      cancelled.add();
      throw;
    }
  });
  service.on_message({{"service", "HeroService"}, {"rpc", "Echo"}}, [](Payload payload) { return payload; });
  service.on_message({{"cmd", "sum"}}, [](const std::vector<double>& xs) {
    double sum = 0;
    for (const double x : xs) sum += x;
    return sum;
  });
  service.on_message({{"service", "StreamService"}, {"rpc", "Count"}, {"streaming", "rx_stream"}}, [](RequestReader<json>& in) -> task<json> {
    json count{{"id", 0}};
    while (co_await in.next()) count["id"] = count["id"].get<int>() + 1;
    co_return count;
  });
  service.on_message("StreamService/Chat", [](RequestReader<json>& in, ReplyWriter<json>& out) -> task<void> {
    while (const auto hero = co_await in.next()) {
      if (hero->value("id", 0) < 0) throw RpcError(json{{"code", 5}, {"message", "enough"}});
      co_await out.write(*hero);
    }
  });
  set_log_level(LogLevel::off);
  service.start();
  const Finished finished = start_nest("grpc-client", arguments_for(url_of(service)))->wait();
  INFO(finished.err);
  REQUIRE(finished.code == 0);
  json got = json::object();
  std::istringstream out(finished.out);
  for (std::string line; std::getline(out, line);) {
    json one = json::parse(line);
    const std::string name = one["name"];
    one.erase("name");
    got[name] = one;
  }
  CHECK(got["unary"] == json{{"values", {{{"id", 7}, {"name", "none"}}}}});
  CHECK(got["zero"] == json{{"values", {{{"id", 0}, {"name", "none"}}}}});
  CHECK(got["metadata"] == json{{"values", {{{"id", 1}, {"name", "acme"}}}}});
  CHECK(got["error"] == json{{"values", json::array()}, {"error", {{"code", 5}, {"details", "nf"}}}});
  CHECK(got["exception"] == json{{"values", json::array()}, {"error", {{"code", 2}, {"details", "Internal server error"}}}});
  CHECK(got["missing"] == json{{"values", json::array()}, {"error", {{"code", 12}, {"details", "The server does not implement the method Missing"}}}});
  CHECK(got["deadline"]["error"]["code"] == 4);
  CHECK(got["stream"]["values"].size() == 5);
  CHECK(got["cancel"]["values"].size() == 1);
  CHECK(cancelled.reaches(1));
  CHECK(got["sum"] == json{{"values", {{{"value", 6}}}}});
  CHECK(got["count"] == json{{"values", {{{"id", 3}}}}});
  CHECK(got["chat"] == json{{"values", {{{"id", 1}}, {{"id", 2}}, {{"id", 3}}}}});
  CHECK(got["chat, error"] == json{{"values", {{{"id", 1}}}}, {"error", {{"code", 5}, {"details", "enough"}}}});
  const json expected = json::parse(R"({
    "float64":1.5,"float32":-0.25,"int32Value":-7,"int64Value":"-9223372036854775808","uint32Value":4294967295,
    "uint64Value":"18446744073709551615","sint32Value":-2147483648,"sint64Value":"-9007199254740993","fixed32Value":1,
    "fixed64Value":"2","sfixed32Value":-3,"sfixed64Value":"-4","truth":true,"text":"é€😀",
    "data":{"type":"Buffer","data":[0,255,127]},"colour":5,"power":{"name":"flight"},"powers":[{"level":1},{"level":2}],
    "numbers":[100,200],"words":["a",""],"colours":[1,5],"counts":{"one":1},"byNumber":{"-1":{"level":3}},
    "chosenNumber":0,"maybe":0,"loose":[-1,-2]})");
  CHECK(got["everything"] == json{{"values", {expected}}});
  CHECK(got["nothing"] == json{{"values", {json::object()}}});
  // A zero that was sent is there, a field that was not is not: as a NestJS handler sees it.
  const auto seen = ids.get();
  CHECK(std::count(seen.begin(), seen.end(), json{{"id", 0}}) == 1);
  CHECK(std::count(seen.begin(), seen.end(), json::object()) == 1);
  set_log_level(LogLevel::error);
}

TEST_CASE("ferry client, NestJS service") {
  if (!nest_is_installed()) return;
  const std::string url = "127.0.0.1:" + std::to_string(free_port());
  const auto nest = start_nest("grpc-service", arguments_for(url));
  nest->line_of_stdout("READY");
  Application app = contract_client(url);
  const Client client = app.client("HEROES");
  const Pattern find_one{{"service", "HeroService"}, {"rpc", "FindOne"}};
  CHECK(client.send<json>(find_one, json{{"id", 7}}).get() == json{{"id", 7}, {"name", "none true"}});
  CHECK(client.send<json>(find_one, json{{"id", 0}}, SendOptions().header("tenant", "acme")).get() ==
        json{{"id", 0}, {"name", "acme true"}});
  try {
    client.send<json>(find_one, json{{"id", -5}}).get();
    FAIL("it answers NOT_FOUND");
  } catch (const RpcError& error) {
    CHECK(json::parse(error.body_text()) == json{{"code", 5}, {"details", "no hero"}, {"message", "5 NOT_FOUND: no hero"}});
  }
  try {
    client.send<json>(find_one, json{{"id", 99}}).get();
    FAIL("it answers UNKNOWN");
  } catch (const RpcError& error) {
    CHECK(json::parse(error.body_text())["details"] == "Internal server error");
  }
  CHECK(code_of([&] { client.send<json>("HeroService/Missing", json::object()).get(); }) == errc::no_handler);
  int count = 0;
  auto many = client.stream<json>("HeroService/FindMany", json{{"id", 300}});
  while (auto next = many.next().get()) CHECK(next->value("id", -1) == count++);
  CHECK(count == 300);
  {
    auto endless = client.stream<json>("HeroService/FindMany", json{{"id", -1}});
    CHECK(endless.next().get() == json{{"id", -1}});
  }
  nest->line_of_stdout("cancelled");
  const json kinds = json::parse(R"({"int64Value":-9223372036854775808,"uint64Value":18446744073709551615,"text":"é€😀",
    "data":{"type":"Buffer","data":[0,255]},"powers":[{"level":1},{"name":"x"}],"counts":{"a":1},"byNumber":{"-1":{"level":3}},
    "chosenText":"","colour":5,"truth":false,"loose":[1,2],"numbers":[3,4]})");
  CHECK(client.send<json>("HeroService/Echo", kinds).get() == kinds);
  for (const char* rpc : {"Count", "Tally"}) {
    CAPTURE(rpc);
    auto stream = client.duplex<json, json>({{"service", "StreamService"}, {"rpc", rpc}});
    for (int i = 0; i < 100; ++i) REQUIRE(stream.write(json{{"id", i}}).get());
    CHECK(stream.result().get() == json{{"id", 100}});
  }
  auto chat = client.duplex<json, json>("StreamService/Chat");
  REQUIRE(chat.write(json{{"id", 7}}).get());
  CHECK(chat.next().get() == json{{"id", 7}, {"name", "nest"}});
  REQUIRE(chat.write(json{{"id", -5}}).get());
  CHECK_THROWS_AS(chat.next().get(), RpcError);
}
