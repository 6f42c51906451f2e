#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/contexts/mqtt_context.hpp"
#include "ferry/detail/pool.hpp"
#include "transports/common/live_deliveries.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/mqtt/inflow.hpp"
#include "transports/mqtt/packet.hpp"

namespace ferry::mqtt {

class Service;

/// A PUBLISH and the memory it lies in.
struct Message {
  net::ChunkPtr memory;
  Publish packet;
  std::string_view route;      // which subscription it belongs to
  ArrivalPtr arrival;          // of QoS 1 and 2, and wherever an event may be tried again
};

/// A message that a handler works on.
///
/// Lifetime: counted; made and destroyed on the service's loop, wherever the last pointer goes.
class MqttDelivery final : public transports::LiveDelivery, public MqttContext, public detail::Pooled {
 public:
  MqttDelivery(std::shared_ptr<Service> service, Message message);
  ~MqttDelivery() override = default;

  // spi::Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  TransportContext* context() noexcept override { return this; }

  // MqttContext
  std::string topic() const override { return std::string(message_.packet.topic); }
  Packet packet() const override;

  // For the service, on its loop, before anybody else sees it.
  spi::RequestView& received() noexcept { return view_; }
  std::string& scratch() noexcept { return scratch_; }
  void set_deadline(std::chrono::steady_clock::time_point when) noexcept { deadline_ = when; }
  /// Where a ferry client wants its replies, other than on <topic>/reply.
  void set_response(std::string_view topic, std::string_view correlation) noexcept {
    response_topic_ = topic;
    correlation_ = correlation;
  }

  const Message& message() const noexcept { return message_; }
  std::string_view response_topic() const noexcept { return response_topic_; }
  std::string_view correlation() const noexcept { return correlation_; }
  bool reply_lost() const noexcept { return reply_lost_.load(std::memory_order_acquire); }

 private:
  const std::shared_ptr<Service> service_;
  const Message message_;
  std::string_view response_topic_;
  std::string_view correlation_;
  std::string scratch_;                    // of a body that is no message as it came
  std::atomic<bool> reply_lost_{false};
};

}  // namespace ferry::mqtt
