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

  struct Packet {
    std::string_view payload;
    int qos = 0;
    bool retain = false;
    bool duplicate = false;
    Headers user_properties;   ///< MQTT 5 only
  };

  virtual std::string topic() const = 0;   ///< the concrete topic, also of a wildcard subscription
  virtual Packet packet() const = 0;
};

}  // namespace ferry
