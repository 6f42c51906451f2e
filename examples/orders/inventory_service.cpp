// Has ten of everything. Sets goods aside, once an order, and puts them back.

#include "journal.hpp"
#include "messages.hpp"
#include "program.hpp"

namespace {

int stock_of(const std::string& item, const Journal& taken) {
  int left = 10;
  for (const auto& [order, what] : taken.orders()) {
    if (what.is_object() && what.at("item") == item) left -= what.at("quantity").get<int>();
  }
  return left;
}

int serve(const Arguments& arguments) {
  auto app = application_of("inventory", arguments);
  Journal taken(arguments.data + "/inventory");   // of each order: what was taken, or "released"

  app.on_message("inventory.reserve", [&](const Order& order) {
    const auto known = taken.find(order.id);
    if (known == "released") throw ferry::RpcError("order " + order.id + " was cancelled");   // came late
    if (known.is_object()) return;                                                           // asked again, and done before
    const int left = stock_of(order.item, taken);
    if (left < order.quantity) throw ferry::RpcError("only " + std::to_string(left) + ' ' + order.item + " left");
    taken.write(order.id, {{"item", order.item}, {"quantity", order.quantity}});
  });
  app.on_message("inventory.release", [&](const Order& order) { taken.write(order.id, "released"); });
  app.on_message("inventory.stock", [&](const std::string& item) { return stock_of(item, taken); });
  return app.run();
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, serve); }
