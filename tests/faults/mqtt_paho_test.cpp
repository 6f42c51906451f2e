// Paho's clients as peers that know nothing of ferry: both versions of MQTT, every QoS, both directions.

#include <chrono>
#include <string>

#include <mqtt/async_client.h>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

Config config_of(const char* role, const Broker& broker, int version, json options) {
  options.update({{"url", broker.url()}, {"protocolVersion", version}});
  return Config::from_json({{"threads", 1}, {role, {{"x", {{"transport", "mqtt"}, {"options", options}}}}}});
}

struct Paho {
  Paho(const Broker& broker, int version) : client("tcp://127.0.0.1:" + std::to_string(broker.port()), "paho", mqtt::create_options(version)) {
    auto options = mqtt::connect_options_builder().mqtt_version(version);
    if (version == 5) options.clean_start(true);
    else options.clean_session(true);
    client.start_consuming();
    client.connect(options.finalize())->wait();
  }
  mqtt::const_message_ptr next() {
    mqtt::const_message_ptr message;
    client.try_consume_message_for(&message, patience);
    REQUIRE(message);
    return message;
  }
  mqtt::async_client client;
};

}  // namespace

TEST_CASE("mqtt: Paho and ferry understand each other at both versions and every QoS") {
  for (const int version : {4, 5}) {
    for (const int qos : {0, 1, 2}) {
      CAPTURE(version, qos);
      Broker broker("mosquitto", "set_tcp_nodelay true");
      Watched<json> heard(json::array());
      Application service(config_of("services", broker, version, {{"subscribeOptions", {{"qos", qos}}}}));
      service.on_message("sum", [](const std::vector<int>& numbers) {
        int sum = 0;
        for (const int each : numbers) sum += each;
        return sum;
      });
      service.on_event("to/ferry/+", [&](const json& data, MqttContext& context) {
        heard.change([&](json& all) { all.push_back({context.topic(), data, context.packet().qos}); });
      });
      service.start();
      Paho paho(broker, version);
      paho.client.subscribe("sum/reply", qos)->wait();
      paho.client.subscribe("to/paho", qos)->wait();

      paho.client.publish("sum", R"({"pattern":"sum","data":[1,2,3],"id":"7"})", qos, false)->wait();
      CHECK(paho.next()->to_string() == R"({"response":6,"isDisposed":true,"id":"7"})");
      for (int i = 0; i < 200; ++i) paho.client.publish("to/ferry/" + std::to_string(i), std::to_string(i), qos, false)->wait();
      REQUIRE(heard.wait([](const json& all) { return all.size() >= 200; }));
      for (int i = 0; i < 200; ++i) {
        CHECK(heard.get()[static_cast<std::size_t>(i)] == json{"to/ferry/" + std::to_string(i), i, qos});
      }

      Application application(config_of("clients", broker, version, {{"qos", qos}}));
      const Client client = application.client("x");
      for (int i = 0; i < 200; ++i) client.emit("to/paho", i).get();
      for (int i = 0; i < 200; ++i) {
        const auto message = paho.next();
        CHECK(message->to_string() == R"({"pattern":"to/paho","data":)" + std::to_string(i) + "}");
        CHECK(message->get_qos() == qos);
      }
      paho.client.disconnect()->wait();
    }
  }
}
