// The client of the ferry benchmark: as many coroutines as calls are to be in flight, each awaiting its call.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>
#include <ferry/ferry.hpp>

#include "ferry_config.hpp"
#include "load.hpp"
#include "orders.hpp"

namespace {

struct Bench {
  const bench::Job& job;
  ferry::Client client;
  const ferry::Payload raw = ferry::Payload::from_json(job.payload);
  bench::Window window{job};
  std::uint64_t emitted = 0;
  std::size_t running = job.in_flight;   // from before the first begins: one may be done before the last is started
  bool wrong = false;
};

template <class R, class T>
ferry::task<void> request(Bench& bench, std::string pattern, const T& payload, const R& expected) {
  const ferry::Pattern route(pattern);
  do {
    const R reply = co_await bench.client.send<R>(route, payload);
    if constexpr (requires { expected.size(); }) {
      bench.wrong |= reply.size() != expected.size();
    } else {
      bench.wrong |= reply != expected;
    }
  } while (bench.window.completed());
}

ferry::task<void> forward(Bench& bench) {
  const ferry::Pattern route("raw");
  do {
    const ferry::Payload reply = co_await bench.client.send<ferry::Payload>(route, bench.raw);
    bench.wrong |= reply.bytes().size() != bench.job.payload.size();
  } while (bench.window.completed());
}

template <class T>
ferry::task<void> emit(Bench& bench, std::string pattern, const T& payload) {
  const ferry::Pattern route(pattern);
  do {
    ++bench.emitted;
    co_await bench.client.emit(route, payload);
  } while (bench.window.completed());
  if (--bench.running != 0) co_return;
  // Where nothing orders a request and the events before it, they are waited for.
  const auto limit = bench::Clock::now() + std::chrono::seconds(20);
  std::uint64_t arrived = 0;
  do {
    const auto more = co_await bench.client.send<std::uint64_t>("count");
    arrived += more;
  } while (arrived < bench.emitted && bench::Clock::now() < limit);
  bench.wrong |= arrived != bench.emitted;
  bench.window.close();
}

const double six = 6;

ferry::task<void> work(Bench& bench, const std::vector<double>& numbers, const std::vector<bench::Order>& orders) {
  const std::string& name = bench.job.name;
  const bool small = bench.job.payload.front() == '[' && bench.job.payload[1] != '{';
  if (name == "sum") return request<double>(bench, "sum", numbers, six);
  if (name == "echo") return request<std::vector<bench::Order>>(bench, "echo", orders, orders);
  if (name == "raw") return forward(bench);
  if (name == "raw-event") return emit(bench, "blobs", bench.raw);
  return small ? emit(bench, "small", numbers) : emit(bench, "orders", orders);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    auto app = ferry::Application(ferry::Config::from_text(bench::ferry_config("clients", job.transport, job.port)));
    Bench bench{job, app.client("bench")};
    bench.client.connect().get();
    const std::vector<double> numbers{1, 2, 3};
    const auto orders = job.payload[1] == '{' ? nlohmann::json::parse(job.payload).get<std::vector<bench::Order>>()
                                              : std::vector<bench::Order>();
    auto& executor = bench.client.loop();
    std::vector<std::future<void>> loops;
    for (std::size_t i = 0; i < job.in_flight; ++i) {
      loops.push_back(asio::co_spawn(executor.executor(), work(bench, numbers, orders), asio::use_future));
    }
    for (auto& loop : loops) loop.get();
    if (bench.wrong) throw std::runtime_error("a reply, or the number of events, was not what it should be");
    bench.window.print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
