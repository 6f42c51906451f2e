// Every spelling of saga/README.md, compiled and run. tests/unit/readme_lines.cmake holds the two together.

#include <filesystem>

#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>

#include "../support/scratch.hpp"
#include "catch.hpp"
#include <ferry/ferry.hpp>
#include <ferry/saga.hpp>
#include <ferry/saga/sqlite_store.hpp>

using namespace std::chrono_literals;

namespace {

ferry::task<void> notify(ferry::SagaContext& saga) {
  CHECK(saga.state.at("payment") == 300);
  co_return;
}

ferry::Saga place_order(ferry::Application& app) {
  const auto payments = app.client("PAYMENT");      // any client, over whichever transport the config names
  const auto inventory = app.client("INVENTORY");
  const auto order = [](const nlohmann::json& state) { return state.at("order"); };   // a payload, of the saga's state

  ferry::Saga saga("place-order");
  saga.step("payment")
      .send(payments, "payment.charge", order).into("payment")      // the reply becomes state["payment"]
      .compensate(payments, "payment.refund", order)
      .idempotent()
      .retry({.attempts = 5, .backoff = 100ms});
  saga.step("inventory")
      .send(inventory, "inventory.reserve", order)
      .compensate(inventory, "inventory.release", order);
  saga.step("notify").action(notify).nothing_to_undo();             // any coroutine: ferry::task<void>(ferry::SagaContext&)
  return saga;
}

ferry::task<void> place(ferry::SagaRunner& sagas, nlohmann::json state) {
  auto running = sagas.run("place-order", state, ferry::SagaOptions().id("order-17").deadline(30s));
  const ferry::SagaOutcome outcome = co_await std::move(running);
  CHECK(outcome.completed());
  CHECK(outcome.id == "order-17");
}

}  // namespace

TEST_CASE("saga README: its code does what it says") {
  const ferry::test::ScratchDirectory scratch;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(scratch.path());
  const nlohmann::json transport{{"transport", "memory"}, {"options", {{"name", "saga-readme"}}}};
  ferry::Application app(ferry::Config::from_json(
      {{"services", {{"S", transport}}}, {"clients", {{"PAYMENT", transport}, {"INVENTORY", transport}}}}));
  app.on_message("payment.charge", [](const nlohmann::json& order) { return order.at("total").get<int>(); });
  app.on_message("inventory.reserve", [](const nlohmann::json&) {});
  app.start();
  {
    ferry::SagaRunner sagas(app.runtime(), std::make_shared<ferry::SqliteSagaStore>("orders.db"));
    sagas.add(place_order(app));
    sagas.recover().get();   // takes up what an earlier process left
    const nlohmann::json order{{"total", 300}};
    asio::co_spawn(app.runtime().next_loop().executor(), place(sagas, {{"order", order}}), asio::use_future).get();
    CHECK(sagas.find("order-17").get()->status == ferry::SagaStatus::completed);
  }
  app.stop();
  std::filesystem::current_path(before);
}
