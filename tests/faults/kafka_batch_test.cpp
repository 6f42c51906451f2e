// Batches of one partition's events.

#include <chrono>
#include <string>
#include <vector>

#include "../support/await.hpp"
#include "catch.hpp"
#include "kafka_support.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

TEST_CASE("kafka: a batch is filled from one partition, and comes again whole, before what follows, if it failed") {
  const Quiet quiet;
  const std::string order = GENERATE(as<std::string>(), "partition", "key");
  CAPTURE(order);
  const std::string name = "batches-" + order;
  Application calls(caller());
  const Client client = calls.client("C");
  for (int i = 0; i < 20; ++i) client.emit(name, i, SendOptions().record({{"key", "k"}, {"partition", 0}})).get();
  Watched<std::vector<std::vector<int>>> batches;
  Application app(Config::from_json(service(name, json::object(), {{"order", order}, {"subscribe", {{"fromBeginning", true}}}})));
  app.on_batch(name, BatchOptions{.max = 5, .wait = 30s}, [&](const std::vector<int>& numbers) {
    std::size_t count = 0;
    batches.change([&](auto& all) {
      all.push_back(numbers);
      count = all.size();
    });
    if (count == 1) throw std::runtime_error("not yet");
  });
  app.start();
  REQUIRE(batches.wait([](const auto& all) { return all.size() >= 5; }));
  const std::vector<int> first{0, 1, 2, 3, 4};
  CHECK(batches.get() == std::vector<std::vector<int>>{first, first, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}, {15, 16, 17, 18, 19}});
  CHECK(app.stop());
}
