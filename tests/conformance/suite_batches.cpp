// Events that are emitted together, and handlers that are given several at once.

#include <algorithm>
#include <atomic>
#include <numeric>
#include <vector>

#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("events in batches") {
  constexpr std::size_t count = 300;
  Watched<std::vector<std::vector<std::size_t>>> batches;
  std::atomic<bool> fits{true};
  const auto heard = [](const auto& all) {
    std::size_t sum = 0;
    for (const auto& batch : all) sum += batch.size();
    return sum;
  };
  World world;
  world.serve([&](Application& app) {
    app.on_batch("number", {.max = 50, .wait = 200ms}, [&](const std::vector<std::size_t>& numbers, BatchContext& context) {
      if (context.size() != numbers.size()) fits = false;
      batches.change([&](auto& all) { all.push_back(numbers); });
    });
  });
  const Client client = world.client();
  std::vector<std::size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto outcomes = client.emit_batch("number", numbers).get();
  REQUIRE(outcomes.size() == count);
  for (const auto& outcome : outcomes) {
    REQUIRE(outcome);
    CHECK(*outcome == (world.capabilities().ack ? Emitted::confirmed : Emitted::accepted));
  }
  REQUIRE(batches.wait([&](const auto& all) { return heard(all) >= count; }));
  CHECK(fits);
  const auto all = batches.get();
  std::vector<std::size_t> together;
  for (const auto& batch : all) {
    CHECK(batch.size() <= 50);
    together.insert(together.end(), batch.begin(), batch.end());
  }
  CHECK(all.size() < count / 2);   // that is what batches are for
  if (!world.capabilities().ordered || world.pool()) std::sort(together.begin(), together.end());
  CHECK(together == numbers);
}

TEST_CASE("an event of a batch that cannot be read, and one that fails, leave the others alone") {
  Watched<std::vector<int>> heard;
  World world;
  set_log_level(LogLevel::off);
  world.serve([&](Application& app) {
    app.on_batch("number", {.max = 10, .wait = 100ms}, [&](std::vector<int> numbers, BatchContext& context) -> task<void> {
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (numbers[i] == 13) context.fail(i, std::runtime_error("unlucky"));
      }
      heard.change([&](auto& all) { all.insert(all.end(), numbers.begin(), numbers.end()); });
      co_return;
    });
  });
  const Client client = world.client();
  for (const nlohmann::json& value : {nlohmann::json(1), nlohmann::json("two"), nlohmann::json(13), nlohmann::json(4)}) {
    client.emit("number", value).get();
  }
  REQUIRE(heard.wait([](const auto& all) { return std::count(all.begin(), all.end(), 4) > 0 && std::count(all.begin(), all.end(), 1) > 0; }));
  world.stop_service();
  const auto all = heard.get();
  CHECK(std::count(all.begin(), all.end(), 1) == 1);
  CHECK(std::count(all.begin(), all.end(), 4) == 1);
}
