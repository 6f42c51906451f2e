// Knows the orders, and what became of each.

#include "journal.hpp"
#include "messages.hpp"
#include "program.hpp"

namespace {

int serve(const Arguments& arguments) {
  auto app = application_of("order", arguments);
  Journal orders(arguments.data + "/orders");

  app.on_message("order.create", [&](const Order& order) {
    const auto known = orders.find(order.id);
    if (known == "cancelled") throw ferry::RpcError("order " + order.id + " was cancelled");   // came late
    if (known.is_null()) orders.write(order.id, "pending");
  });
  app.on_message("order.confirm", [&](const Order& order) {
    if (orders.find(order.id) == "cancelled") throw ferry::RpcError("order " + order.id + " was cancelled");
    orders.write(order.id, "completed");
  });
  app.on_message("order.cancel", [&](const Order& order) { orders.write(order.id, "cancelled"); });
  app.on_message("order.find", [&](const std::string& id) { return orders.find(id); });
  return app.run();
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, serve); }
