#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/contexts/rmq_context.hpp"
#include "ferry/detail/pool.hpp"
#include "transports/common/live_deliveries.hpp"
#include "transports/rmq/content.hpp"

namespace ferry::rmq {

class Service;

/// A message and the service it came to. Its views point into the memory that `content_` holds.
///
/// Lifetime: counted; made and destroyed on the service's loop, wherever the last pointer goes.
class RmqDelivery final : public transports::LiveDelivery, public RmqContext, public detail::Pooled {
 public:
  /// `connection`: the number of the one it came on. Its tag means nothing on another one.
  RmqDelivery(std::shared_ptr<Service> service, Content content, std::uint64_t connection);
  ~RmqDelivery() override = default;

  // spi::Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  std::uint32_t deliveries() const noexcept override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  TransportContext* context() noexcept override { return this; }

  // RmqContext
  std::string pattern() const override;
  std::string_view content() const override { return content_.body; }
  const Properties& properties() const override;
  std::string exchange() const override { return std::string(content_.exchange); }
  std::string routing_key() const override { return std::string(content_.routing_key); }
  std::uint64_t delivery_tag() const override { return content_.delivery_tag; }
  bool redelivered() const override { return content_.redelivered; }
  std::uint16_t channel() const override { return content_.channel; }
  void ack() override;
  void nack(bool requeue) override;
  void reject(bool requeue) override { nack(requeue); }

  // For the service.
  const Content& received() const noexcept { return content_; }
  std::uint64_t connection() const noexcept { return connection_; }
  spi::RequestView& envelope() noexcept { return view_; }
  std::string& scratch() noexcept { return scratch_; }
  void set_route(std::string route);
  void set_deadline(std::chrono::steady_clock::time_point when) noexcept { deadline_ = when; }

 private:
  bool settled_now();

  const std::shared_ptr<Service> service_;
  Content content_;
  const std::uint64_t connection_;
  std::string scratch_;                       // of a body that is no message as it came
  std::string route_;                         // of a wildcard's handler
  spi::RequestView::PatternForm form_ = spi::RequestView::PatternForm::absent;   // the pattern as it came
  std::string_view pattern_;
  mutable std::optional<Properties> properties_;
  std::atomic<bool> settled_{false};
};

}  // namespace ferry::rmq
