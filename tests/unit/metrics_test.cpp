// Counters of services and clients, and their text for Prometheus.

#include <stdexcept>
#include <string>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

bool has_line(const std::string& text, const std::string& line) { return ("\n" + text).find("\n" + line + "\n") != std::string::npos; }

json tcp(int port) { return {{"transport", "tcp"}, {"options", {{"host", "127.0.0.1"}, {"port", port}}}}; }

}  // namespace

TEST_CASE("metrics: what a service has done") {
  json service = tcp(0);
  service["retry"] = {{"attempts", 2}, {"backoff", "1ms"}};
  Application app(Config::from_json({{"services", {{"sho\"p", service}}}}));
  Counter runs;
  app.on_message("sum", [](int a) { return a; });
  app.on_event("paid", [&runs](int) {
    runs.add();
    throw std::runtime_error("the stock is closed");
  });
  app.start();
  json client = tcp(std::stoi(app.services().front().endpoint.substr(std::string("tcp://127.0.0.1:").size())));
  Application caller(Config::from_json({{"clients", {{"SHOP", client}}}}));
  CHECK(metrics_text(caller).empty());   // nobody was asked for yet
  CHECK(caller.client("SHOP").send<int>("sum", 1).get() == 1);
  CHECK_THROWS(caller.client("SHOP").send<int>("none", 1).get());
  caller.client("SHOP").emit("paid", 1).get();
  REQUIRE(runs.reaches(2));
  app.stop();
  const ServiceInfo info = app.services().front();
  CHECK(info.messages == 3);
  CHECK(info.failed == 2);
  CHECK(info.retried == 1);
  CHECK(info.dead == 1);
  CHECK(info.expired == 0);
  CHECK(info.unhandled == 1);

  const std::string text = metrics_text(app);
  const std::string labels = R"({service="sho\"p",transport="tcp"} )";
  CHECK(has_line(text, "# TYPE ferry_service_messages_total counter"));
  CHECK(has_line(text, "ferry_service_messages_total" + labels + "3"));
  CHECK(has_line(text, "ferry_service_failed_total" + labels + "2"));
  CHECK(has_line(text, "ferry_service_retried_total" + labels + "1"));
  CHECK(has_line(text, "ferry_service_dead_total" + labels + "1"));
  CHECK(has_line(text, "ferry_service_expired_total" + labels + "0"));
  CHECK(has_line(text, "# TYPE ferry_service_active gauge"));
  CHECK(has_line(text, "ferry_service_active" + labels + "0"));
}

TEST_CASE("metrics: how a client fares, its circuit among it") {
  json client = tcp(1);   // nobody listens there
  client["circuit"] = {{"minimumCalls", 1}, {"openFor", "1h"}};
  Application caller(Config::from_json({{"clients", {{"AWAY", client}}}}));
  const Client away = caller.client("AWAY");
  const std::string labels = R"({client="AWAY",transport="tcp")";
  CHECK(has_line(metrics_text(caller), "ferry_client_circuit" + labels + R"(,state="closed"} 1)"));
  CHECK_THROWS_AS(away.send<int>("sum", 1).get(), ConnectionError);
  CHECK_THROWS_AS(away.send<int>("sum", 1).get(), OverloadedError);
  const std::string text = metrics_text(caller);
  CHECK(has_line(text, "# TYPE ferry_client_circuit gauge"));
  CHECK(has_line(text, "ferry_client_circuit" + labels + R"(,state="closed"} 0)"));
  CHECK(has_line(text, "ferry_client_circuit" + labels + R"(,state="open"} 1)"));
  CHECK(has_line(text, "ferry_client_circuit" + labels + R"(,state="half-open"} 0)"));
  CHECK(has_line(text, "ferry_client_circuit_openings_total" + labels + "} 1"));
  CHECK(has_line(text, "ferry_client_circuit_refusals_total" + labels + "} 1"));
  CHECK(has_line(text, "ferry_client_connected" + labels + "} 0"));
  CHECK(has_line(text, "ferry_client_in_flight" + labels + "} 0"));
  CHECK(caller.clients().front().circuit == Circuit::open);
}
