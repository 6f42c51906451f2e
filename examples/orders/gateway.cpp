// Takes orders, and sees to it that each is completed at all three services, or cancelled at all three.

#include <memory>

#include <ferry/saga.hpp>
#include <ferry/saga/sqlite_store.hpp>

#include "messages.hpp"
#include "program.hpp"

using namespace std::chrono_literals;

namespace {

ferry::Saga place_order(ferry::Application& app) {
  const auto orders = app.client("ORDER");
  const auto payments = app.client("PAYMENT");
  const auto inventory = app.client("INVENTORY");
  const auto order = [](const nlohmann::json& state) { return state.at("order"); };
  const ferry::SagaRetry patient{.attempts = 30, .backoff = 50ms, .max_backoff = 500ms};   // a service may be restarting

  ferry::Saga saga("place-order");
  saga.step("order").send(orders, "order.create", order).compensate(orders, "order.cancel", order).idempotent().retry(patient);
  saga.step("payment").send(payments, "payment.charge", order).into("payment").compensate(payments, "payment.refund", order)
      .idempotent().retry(patient);
  saga.step("inventory").send(inventory, "inventory.reserve", order).compensate(inventory, "inventory.release", order)
      .idempotent().retry(patient);
  // What cancels the order undoes this one too.
  saga.step("confirm").send(orders, "order.confirm", order).nothing_to_undo().idempotent().retry(patient);
  return saga;
}

void show(const ferry::SagaEvent& event) {
  std::printf("%s: %s", event.id.c_str(), std::string(to_string(event.kind)).c_str());
  if (!event.step.empty()) std::printf(" %s", std::string(event.step).c_str());
  if (event.kind == ferry::SagaEvent::Kind::finished) std::printf(" %s", std::string(to_string(event.status)).c_str());
  if (event.problem != nullptr) std::printf(" (%s)", event.problem->detail.c_str());
  std::printf("\n");
}

int serve(const Arguments& arguments) {
  auto app = application_of("gateway", arguments);
  ferry::SagaRunner sagas(app.runtime(), std::make_shared<ferry::SqliteSagaStore>(arguments.data + "/sagas.db"));
  sagas.add(place_order(app));
  sagas.on_event(show);
  sagas.recover().get();   // those of a gateway that was killed

  app.on_message("order.place", [&](const Order& order) -> ferry::task<nlohmann::json> {
    const nlohmann::json state{{"order", order}};
    auto saga = sagas.run("place-order", state, ferry::SagaOptions().id(order.id).deadline(60s));
    const ferry::SagaOutcome outcome = co_await std::move(saga);
    if (outcome.completed()) co_return nlohmann::json{{"order", order.id}, {"payment", outcome.state.at("payment")}};
    throw ferry::RpcError("order " + order.id + " was cancelled: " + outcome.cause->failure.detail);
  });
  return app.run();
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, serve); }
