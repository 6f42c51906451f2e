// What a request and an event cost in allocations once everything is warm, on the client's thread and on the service's.

#include <cstdint>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>

#include "counting_new.hpp"
#include "support/catch.hpp"

namespace {

using ferry::test::allocations_here;

constexpr int warm_up = 2000;
constexpr int counted = 10000;

/// A service and a client, each with a thread of its own.
struct Pair {
  ferry::Application service{ferry::Config::from_text(R"({ "threads": 1, "logLevel": "error",
    "services": { "s": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": 0 } } } })")};
  std::unique_ptr<ferry::Application> clients;
  std::uint64_t events = 0;

  Pair() {
    service.on_message("sum", [](const std::vector<double>& numbers) { return numbers.at(0) + numbers.at(1); });
    service.on_message("echo", [](ferry::Payload payload) { return payload; });
    service.on_message("later", [](int n) -> ferry::task<int> { co_return n; });
    service.on_message("piped", [](int n) { return n; }, ferry::Pipeline()
        .guard([](ferry::Context&) { return true; })
        .interceptor([](ferry::Context&, ferry::Next& next) { next.on_end([](const std::exception_ptr&) {}); })
        .pipe([](int n) { return n + 1; })
        .filter([](const ferry::RpcError& error) { return error.body(); }));
    service.on_message("plain", [](int n) { return n; });
    service.on_event("tick", [this](int) { ++events; });
    service.on_message("events", [this] { return events; });
    service.on_message("allocations", [] { return allocations_here(); });
    service.start();
    const std::string endpoint = service.services().at(0).endpoint;
    clients = std::make_unique<ferry::Application>(ferry::Config::from_text(
        R"({ "threads": 1, "logLevel": "error", "clients": { "c": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": )" +
        endpoint.substr(endpoint.rfind(':') + 1) + " } } } }"));
  }
  ferry::Client client() { return clients->client("c"); }
};

struct Cost {
  double client = 0;   // allocations a message
  double service = 0;
};

/// Runs `one(i)` so often, one after the other, and counts what that allocates.
template <class F>
ferry::task<Cost> measure(ferry::Client client, F one) {
  for (int i = 0; i < warm_up; ++i) co_await one(i);
  const auto there = co_await client.send<std::uint64_t>("allocations");
  const std::uint64_t here = allocations_here();
  for (int i = 0; i < counted; ++i) co_await one(i);
  const std::uint64_t here_after = allocations_here();
  const auto there_after = co_await client.send<std::uint64_t>("allocations");
  co_return Cost{static_cast<double>(here_after - here) / counted, static_cast<double>(there_after - there) / counted};
}

template <class F>
Cost cost_of(Pair& pair, F one) {
  ferry::Client client = pair.client();
  return asio::co_spawn(client.loop().executor(), measure(client, std::move(one)), asio::use_future).get();
}

}  // namespace

TEST_CASE("allocations: a request of numbers") {
  Pair pair;
  ferry::Client client = pair.client();
  const std::vector<double> numbers{1, 2};
  const ferry::Pattern sum("sum");
  const Cost cost = cost_of(pair, [&](int) { return client.send<double>(sum, numbers); });
  CAPTURE(cost.client, cost.service);
  CHECK(cost.client < 0.01);
  CHECK(cost.service < 1.01);   // the handler's vector
}

TEST_CASE("allocations: 4 KiB echoed unread") {
  Pair pair;
  ferry::Client client = pair.client();
  const ferry::Payload text = ferry::Payload::from_json('"' + std::string(4096, 'x') + '"');
  const ferry::Pattern echo("echo");
  const Cost cost = cost_of(pair, [&](int) { return client.send<ferry::Payload>(echo, text); });
  CAPTURE(cost.client, cost.service);
  CHECK(cost.client < 2.01);   // the encoded payload, the reply's copy
  CHECK(cost.service < 0.01);
}

TEST_CASE("allocations: a request to a coroutine") {
  Pair pair;
  ferry::Client client = pair.client();
  const ferry::Pattern later("later");
  const Cost cost = cost_of(pair, [&](int i) { return client.send<int>(later, i); });
  CAPTURE(cost.client, cost.service);
  CHECK(cost.client < 0.01);
  CHECK(cost.service < 3.01);
}

TEST_CASE("allocations: a pipeline, and none") {
  Pair pair;
  ferry::Client client = pair.client();
  const ferry::Pattern plain("plain");
  const ferry::Pattern piped("piped");
  const Cost without = cost_of(pair, [&](int i) { return client.send<int>(plain, i); });
  const Cost with = cost_of(pair, [&](int i) { return client.send<int>(piped, i); });
  CAPTURE(without.client, without.service, with.client, with.service);
  CHECK(without.client < 0.01);
  CHECK(without.service < 0.01);
  CHECK(with.client < 0.01);
  CHECK(with.service < 4.01);   // the way through it, its context, what the interceptors say
}

TEST_CASE("allocations: an event") {
  Pair pair;
  ferry::Client client = pair.client();
  const ferry::Pattern tick("tick");
  const Cost cost = cost_of(pair, [&](int i) { return client.emit(tick, i); });
  CAPTURE(cost.client, cost.service);
  CHECK(client.send<std::uint64_t>("events").get() == warm_up + counted);
  CHECK(cost.client < 0.04);   // the queue of those not yet sent grows in blocks of 32
  CHECK(cost.service < 0.01);
}
