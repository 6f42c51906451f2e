#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/transport_context.hpp"

namespace ferry {

/// NestJS's RmqContext. Whoever calls `ack`, `nack` or `reject` has settled the message; ferry then does not.
class RmqContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "rmq";
  ~RmqContext() override;

  struct Properties {
    std::string content_type, content_encoding, correlation_id, reply_to, expiration, message_id, type, user_id, app_id;
    std::optional<std::uint8_t> delivery_mode, priority;
    std::optional<std::uint64_t> timestamp;   ///< seconds since 1970
    Headers headers;                          ///< values that are no text as their text form
  };

  virtual std::string pattern() const = 0;
  virtual std::string_view content() const = 0;      ///< the body's bytes
  virtual const Properties& properties() const = 0;
  virtual std::string exchange() const = 0;
  virtual std::string routing_key() const = 0;
  virtual std::uint64_t delivery_tag() const = 0;
  virtual bool redelivered() const = 0;
  virtual std::uint16_t channel() const = 0;         ///< AMQP channel number
  virtual void ack() = 0;
  virtual void nack(bool requeue) = 0;
  virtual void reject(bool requeue) = 0;
};

}  // namespace ferry
