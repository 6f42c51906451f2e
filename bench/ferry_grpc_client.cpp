// The client of ferry's gRPC benchmark: as many coroutines as calls are to be in flight, each awaiting its call.

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>
#include <ferry/ferry.hpp>
#include <ferry/protobuf.hpp>

#include "ferry_grpc_config.hpp"
#include "grpc_json.hpp"
#include "grpc_orders.hpp"
#include "load.hpp"

namespace {

struct Bench {
  const bench::Job& job;
  ferry::Client client;
  bench::Window window{job};
  bool wrong = false;
};

template <class R, class T, class Check>
ferry::task<void> request(Bench& bench, const char* pattern, const T& payload, Check right) {
  const ferry::Pattern route(pattern);
  do {
    const R reply = co_await bench.client.send<R>(route, payload);
    bench.wrong |= !right(reply);
  } while (bench.window.completed());
}

template <class R, class T, class Check>
ferry::task<void> flow(Bench& bench, const char* pattern, const T& payload, Check right) {
  const ferry::Pattern route(pattern);
  for (;;) {
    auto stream = bench.client.stream<R>(route, payload);
    while (const auto reply = co_await stream.next()) {
      bench.wrong |= !right(*reply);
      if (!bench.window.completed()) co_return;
    }
  }
}

struct Loads {
  explicit Loads(const bench::Job& job) {
    if (job.payload[1] != '{') return;
    orders = bench::orders(job.payload);
    plain_orders.orders = nlohmann::json::parse(job.payload).get<std::vector<bench::Order>>();
  }
  benchproto::Numbers numbers = bench::numbers();
  benchproto::Orders orders;
  bench::plain::Numbers plain_numbers{{1, 2, 3}};
  bench::plain::Orders plain_orders;
};

ferry::task<void> work(Bench& bench, const Loads& loads) {
  const std::string& name = bench.job.name;
  const auto six = [](const auto& total) {
    if constexpr (requires { total.value(); }) return total.value() == 6;
    else return total.value == 6;
  };
  const auto all = [&loads](const benchproto::Orders& orders) { return orders.orders_size() == loads.orders.orders_size(); };
  const auto plain_all = [&loads](const bench::plain::Orders& orders) { return orders.orders.size() == loads.plain_orders.orders.size(); };
  if (name == "sum") return request<benchproto::Total>(bench, "Bench/Sum", loads.numbers, six);
  if (name == "echo") return request<benchproto::Orders>(bench, "Bench/Echo", loads.orders, all);
  if (name == "flow") return flow<benchproto::Total>(bench, "Bench/Flow", loads.numbers, six);
  if (name == "json-sum") return request<bench::plain::Total>(bench, "JsonBench/Sum", loads.plain_numbers, six);
  if (name == "json-echo") return request<bench::plain::Orders>(bench, "JsonBench/Echo", loads.plain_orders, plain_all);
  return flow<bench::plain::Total>(bench, "JsonBench/Flow", loads.plain_numbers, six);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    auto app = ferry::Application(ferry::Config::from_text(bench::ferry_grpc_config("clients", job.port)));
    Bench bench{job, app.client("bench")};
    bench.client.connect().get();
    const Loads loads(job);
    std::vector<std::future<void>> loops;
    for (std::size_t i = 0; i < job.in_flight; ++i) {
      loops.push_back(asio::co_spawn(bench.client.loop().executor(), work(bench, loads), asio::use_future));
    }
    for (auto& loop : loops) loop.get();
    if (bench.wrong) throw std::runtime_error("a reply was not what it should be");
    bench.window.print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
