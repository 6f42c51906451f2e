// The orders example, each of its programs killed between payment and inventory: every order is completed at all services in the
// end, or cancelled at all.

#include <signal.h>
#include <stdlib.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include <asio/co_spawn.hpp>

#include "../support/broker.hpp"
#include "../support/gate.hpp"
#include "../support/process.hpp"
#include "../support/scratch.hpp"
#include "catch.hpp"
#include "examples/orders/messages.hpp"
#include "ferry/ferry.hpp"
#include "ferry_test_paths.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

const std::string config_directory = FERRY_TESTS_DIR "/../examples/orders/";

void set(const char* name, const std::string& value) { REQUIRE(::setenv(name, value.c_str(), 1) == 0); }

/// The four programs, and what is known of their orders.
class Shop {
 public:
  explicit Shop(const std::string& transport) : config_(config_directory + transport + ".json") {
    for (const char* port : {"GATEWAY_PORT", "ORDER_PORT", "PAYMENT_PORT", "INVENTORY_PORT"}) set(port, std::to_string(free_port()));
    if (transport == "nats") set("NATS_URL", broker_.emplace("nats").url());
    for (const char* program : {"order_service", "payment_service", "inventory_service", "gateway"}) start(program);
    customer_.emplace(Application::from_file(config_));
  }

  void start(const std::string& program) {
    programs_[program] = std::make_unique<Process>(
        std::vector<std::string>{std::string(FERRY_BUILD_PROGRAM_DIR) + "/ferry_orders_" + program, config_, data_.path()});
    program_line(program, "READY");
  }
  void signal(const std::string& program, int number) { programs_.at(program)->signal(number); }
  void kill(const std::string& program) {
    signal(program, SIGKILL);
    CHECK(programs_.at(program)->wait().code == 1000 + SIGKILL);
    programs_.erase(program);
  }
  void program_line(const std::string& program, const std::string& text) { programs_.at(program)->line_of_stdout(text); }
  const ScratchDirectory& data() const { return data_; }

  /// Until it is paid, and not taken from stock.
  void place_and_hold(const std::string& id, int quantity) {
    signal("inventory_service", SIGSTOP);
    const Client gateway = customer_->client("GATEWAY");
    auto placing = gateway.send<json>("order.place", Order{id, "widget", quantity, 100 * quantity});
    asio::co_spawn(gateway.loop().executor(), std::move(placing), [](std::exception_ptr, const json&) {});   // whatever it hears
    program_line("payment_service", "charged " + id);
  }

  json order(const std::string& id) { return ask("ORDER", "order.find", id); }
  json payment(const std::string& id) { return ask("PAYMENT", "payment.find", id); }
  json stock() { return ask("INVENTORY", "inventory.stock", "widget"); }
  int journal_lines(const std::string& journal, const std::string& id) const {
    const std::string text = data_.read(journal);
    int count = 0;
    for (auto at = text.find('"' + id + '"'); at != std::string::npos; at = text.find('"' + id + '"', at + 1)) ++count;
    return count;
  }

 private:
  json ask(const char* client, const char* pattern, const std::string& what) {
    return customer_->client(client).send<json>(pattern, what).get();
  }

  std::string config_;
  ScratchDirectory data_;
  std::optional<Broker> broker_;
  std::map<std::string, std::unique_ptr<Process>> programs_;
  std::optional<Application> customer_;
};

void check_completed(Shop& shop, const std::string& id) {
  shop.program_line("gateway", id + ": finished completed");
  CHECK(shop.order(id) == "completed");
  CHECK(shop.payment(id) == 300);
  CHECK(shop.stock() == 7);
  CHECK(shop.journal_lines("payments", id) == 1);    // taken once
  CHECK(shop.journal_lines("inventory", id) == 1);
}

void check_cancelled(Shop& shop, const std::string& id, int stock) {
  shop.program_line("gateway", id + ": finished inventory compensated");
  CHECK(shop.order(id) == "cancelled");
  CHECK(shop.payment(id) == "refunded");
  CHECK(shop.stock() == stock);
}

}  // namespace

TEST_CASE("orders: killed between payment and inventory, an order is completed or cancelled in the end, everywhere") {
  set_log_level(LogLevel::off);
  const std::string transport = GENERATE(std::string("tcp"), std::string("nats"));
  CAPTURE(transport);
  Shop shop(transport);
  shop.place_and_hold("o-1", 3);
  SECTION("the gateway") {
    shop.kill("gateway");
    shop.signal("inventory_service", SIGCONT);   // what the killed one had sent it does now
    shop.start("gateway");
    shop.program_line("gateway", "o-1: recovered");
    check_completed(shop, "o-1");
  }
  SECTION("the inventory service") {
    shop.kill("inventory_service");
    shop.start("inventory_service");
    check_completed(shop, "o-1");
  }
  SECTION("all of them") {
    for (const char* program : {"gateway", "order_service", "payment_service", "inventory_service"}) shop.kill(program);
    for (const char* program : {"order_service", "payment_service", "inventory_service", "gateway"}) shop.start(program);
    check_completed(shop, "o-1");
  }
  SECTION("the gateway, and meanwhile the goods are gone") {
    shop.kill("gateway");
    shop.kill("inventory_service");
    shop.data().write("inventory", "{\"is\":{\"item\":\"widget\",\"quantity\":9},\"order\":\"o-0\"}\n{\"is\":half a li");
    shop.start("inventory_service");
    shop.start("gateway");
    check_cancelled(shop, "o-1", 1);
    shop.program_line("gateway", "only 1 widget left");
  }
  set_log_level(LogLevel::error);
}

TEST_CASE("orders: a gateway that is slow, and not dead, keeps its orders to itself") {
  set_log_level(LogLevel::off);
  Shop shop("tcp");
  shop.place_and_hold("o-1", 3);
  shop.program_line("gateway", "o-1: attempt inventory");   // stopped while it writes it would have the log locked
  shop.signal("gateway", SIGSTOP);
  set("GATEWAY_PORT", std::to_string(free_port()));
  {
    Process second({std::string(FERRY_BUILD_PROGRAM_DIR) + "/ferry_orders_gateway", config_directory + "tcp.json", shop.data().path()});
    second.line_of_stdout("READY");   // after it recovered
    second.signal(SIGTERM);
    CHECK(second.wait().out.find("o-1") == std::string::npos);
  }
  shop.signal("gateway", SIGCONT);
  shop.signal("inventory_service", SIGCONT);
  check_completed(shop, "o-1");
  set_log_level(LogLevel::error);
}
