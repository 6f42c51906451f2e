#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/transport_context.hpp"

namespace ferry {

/// NestJS's MqttContext.
class MqttContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "mqtt";
  ~MqttContext() override;

  /// Views, valid as long as the context.
  struct Packet {
    std::string_view payload;
    int qos = 0;
    bool retain = false;
    bool duplicate = false;
    // MQTT 5 only; empty where the publisher set none.
    std::string_view content_type = {};
    std::string_view response_topic = {};
    std::string_view correlation_data = {};
    Headers user_properties = {};
  };

  virtual std::string topic() const = 0;   ///< the concrete topic, also of a wildcard subscription
  virtual Packet packet() const = 0;
};

}  // namespace ferry
