// The service of the ferry benchmark: typed handlers, nothing else.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/application.hpp>

#include "ferry_config.hpp"
#include "load.hpp"
#include "orders.hpp"

int main(int argc, char** argv) {
  try {
    bench::Place place(argc, argv);
    auto app = ferry::Application(ferry::Config::from_text(bench::ferry_config("services", place.transport, place.port)));
    std::atomic<std::uint64_t> events{0};
    app.on_message("sum", [](const std::vector<double>& numbers) {
      return std::accumulate(numbers.begin(), numbers.end(), 0.0);
    });
    app.on_message("echo", [](std::vector<bench::Order> orders) { return orders; });
    app.on_message("raw", [](ferry::Payload payload) { return payload; });
    app.on_event("small", [&events](const std::vector<double>&) { events.fetch_add(1, std::memory_order_relaxed); });
    app.on_event("orders", [&events](const std::vector<bench::Order>&) { events.fetch_add(1, std::memory_order_relaxed); });
    app.on_event("blobs", [&events](const ferry::Payload&) { events.fetch_add(1, std::memory_order_relaxed); });
    app.on_message("count", [&events] { return events.exchange(0); });
    app.on_status([&place](std::string_view, const ferry::StatusEvent& event) {
      if (event.status != ferry::Status::connected) return;
      if (place.port == 0) place.port = static_cast<std::uint16_t>(std::stoi(event.detail.substr(event.detail.rfind(':') + 1)));
      place.print_ready();
    });
    return app.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
