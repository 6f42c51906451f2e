// What a pipeline costs: nanoseconds and allocations a request, in one process, with none, with one stage of each kind, with ten.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>

#include <ferry/ferry.hpp>

#include "../tests/allocations/counting_new.hpp"

namespace {

using namespace ferry;
using Clock = std::chrono::steady_clock;

constexpr int warm_up = 5000;
constexpr int counted = 50000;
constexpr int rounds = 7;   // the fastest counts: others had company

Pipeline plain(int stages) {
  Pipeline pipeline;
  for (int i = 0; i < stages; ++i) {
    pipeline.guard([](Context&) { return true; })
        .interceptor([](Context&, Next& next) { next.on_end([](const std::exception_ptr&) {}); })
        .pipe([](int n) { return n + 1; })
        .filter([](const RpcError& error) { return error.body(); });
  }
  return pipeline;
}

Pipeline coroutines(int stages) {
  Pipeline pipeline;
  for (int i = 0; i < stages; ++i) {
    pipeline.guard([](Context&) -> task<bool> { co_return true; })
        .interceptor([](Context&, Next& next) -> task<void> { co_await next(); })
        .pipe([](int n) -> task<int> { co_return n + 1; })
        .filter([](const RpcError& error) -> task<nlohmann::json> { co_return error.body(); });
  }
  return pipeline;
}

struct Variant {
  const char* name;
  Pipeline pipeline;
};

struct Cost {
  double nanoseconds = 1e300;
  double allocations = 1e300;
};

task<Cost> measure(Client client, Pattern pattern) {
  for (int i = 0; i < warm_up; ++i) co_await client.send<int>(pattern, i);
  Cost best;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t before = test::allocations_here();
    const auto begin = Clock::now();
    for (int i = 0; i < counted; ++i) co_await client.send<int>(pattern, i);
    const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    best.nanoseconds = std::min(best.nanoseconds, took.count() / counted);
    best.allocations = std::min(best.allocations, static_cast<double>(test::allocations_here() - before) / counted);
  }
  co_return best;
}

}  // namespace

int main() {
  const std::vector<Variant> variants{{"no pipeline", Pipeline()},
                                      {"one of each, functions", plain(1)},
                                      {"ten of each, functions", plain(10)},
                                      {"one of each, coroutines", coroutines(1)},
                                      {"ten of each, coroutines", coroutines(10)},
                                      {"request scope alone", Pipeline().request_scope()}};
  // One loop: a request and its answer are two turns of it, and all they allocate is allocated on its thread.
  Application app(Config::from_text(R"({ "threads": 1, "logLevel": "error",
    "services": { "s": { "transport": "memory", "options": { "name": "bench" } } },
    "clients": { "C": { "transport": "memory", "options": { "name": "bench" } } } })"));
  for (const Variant& variant : variants) {
    app.on_message(std::string(variant.name), [](int n) { return n; }, variant.pipeline);
    app.on_message(std::string(variant.name) + ", later", [](int n) -> task<int> { co_return n; }, variant.pipeline);
  }
  app.start();
  const Client client = app.client("C");
  std::printf("%-26s %20s %20s\n%-26s %10s %9s %10s %9s\n", "", "function handler", "coroutine handler", "", "ns more", "allocs", "ns more",
              "allocs");
  Cost none[2];
  for (const Variant& variant : variants) {
    std::printf("%-26s", variant.name);
    for (const bool later : {false, true}) {
      const Pattern pattern(std::string(variant.name) + (later ? ", later" : ""));
      const Cost cost = asio::co_spawn(client.loop().executor(), measure(client, pattern), asio::use_future).get();
      if (&variant == &variants.front()) none[later] = cost;
      std::printf(" %10.0f %9.2f", cost.nanoseconds - none[later].nanoseconds, cost.allocations);
    }
    std::printf("\n");
  }
  std::printf("a request without a pipeline, there and back: %.0f ns, %.0f ns with a coroutine\n", none[0].nanoseconds, none[1].nanoseconds);
}
