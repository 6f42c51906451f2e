// The service of ferry's gRPC benchmark: handlers of Protobuf's classes, and handlers that know nothing of them.

#include <cstdio>
#include <exception>
#include <numeric>
#include <string_view>

#include <ferry/application.hpp>
#include <ferry/protobuf.hpp>

#include "ferry_grpc_config.hpp"
#include "grpc_json.hpp"
#include "grpc_orders.hpp"
#include "load.hpp"

namespace {

template <class Numbers>
double sum_of(const Numbers& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

template <class Total>
ferry::task<void> flow(ferry::ReplyWriter<Total>& out, const Total& total) {
  for (int i = 0; i < bench::flow; ++i) co_await out.write(total);
}

benchproto::Total total_of(const benchproto::Numbers& numbers) {
  benchproto::Total total;
  total.set_value(sum_of(numbers.numbers()));
  return total;
}

bench::plain::Total plain_total_of(const bench::plain::Numbers& numbers) { return {sum_of(numbers.numbers)}; }

void add_handlers(ferry::Application& app) {
  using ferry::ReplyWriter;
  app.on_message("Bench/Sum", total_of);
  app.on_message("Bench/Echo", [](benchproto::Orders orders) { return orders; });
  app.on_message("Bench/Flow", [](const benchproto::Numbers& numbers, ReplyWriter<benchproto::Total>& out) -> ferry::task<void> {
    const benchproto::Total total = total_of(numbers);
    co_await flow(out, total);
  });
  app.on_message("JsonBench/Sum", plain_total_of);
  app.on_message("JsonBench/Echo", [](bench::plain::Orders orders) { return orders; });
  app.on_message("JsonBench/Flow",
                 [](const bench::plain::Numbers& numbers, ReplyWriter<bench::plain::Total>& out) -> ferry::task<void> {
                   const bench::plain::Total total = plain_total_of(numbers);
                   co_await flow(out, total);
                 });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench::Place place(argc, argv);
    auto app = ferry::Application(ferry::Config::from_text(bench::ferry_grpc_config("services", place.port)));
    add_handlers(app);
    app.on_status([&place](std::string_view, const ferry::StatusEvent& event) {
      if (event.status != ferry::Status::connected) return;
      place.port = static_cast<std::uint16_t>(std::stoi(event.detail.substr(event.detail.rfind(':') + 1)));
      place.print_ready();
    });
    return app.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
