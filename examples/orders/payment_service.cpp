// Takes money, once an order, and gives it back.

#include "journal.hpp"
#include "messages.hpp"
#include "program.hpp"

namespace {

int serve(const Arguments& arguments) {
  auto app = application_of("payment", arguments);
  Journal payments(arguments.data + "/payments");   // of each order: cents taken, or "refunded"

  app.on_message("payment.charge", [&](const Order& order) {
    const auto known = payments.find(order.id);
    // A charge that comes after its refund, because it took the longer way: must not be made any more.
    if (known == "refunded") throw ferry::RpcError("order " + order.id + " was refunded");
    if (known.is_null()) payments.write(order.id, order.total);   // else: asked again, and done before
    std::printf("charged %s\n", order.id.c_str());
    return nlohmann::json{{"receipt", "receipt of " + order.id}};
  });
  // Also for a charge it never heard of: it may be on its way.
  app.on_message("payment.refund", [&](const Order& order) { payments.write(order.id, "refunded"); });
  app.on_message("payment.find", [&](const std::string& id) { return payments.find(id); });
  return app.run();
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, serve); }
