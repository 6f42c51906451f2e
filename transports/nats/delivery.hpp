#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/contexts/nats_context.hpp"
#include "ferry/detail/pool.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/common/live_deliveries.hpp"
#include "transports/nats/message.hpp"
#include "transports/nats/outlet.hpp"

namespace ferry::nats {

class NatsDelivery;

/// What the messages of a service need of it.
///
/// Lifetime: shared by the service and its messages.
/// Threads:  `outlet` and `post_report` any; the rest on the loop.
class LiveMessages final : public transports::LiveDeliveries {
 public:
  LiveMessages(const spi::Loop& loop, const spi::Serializer& serializer, spi::ServerSink& sink)
      : LiveDeliveries(loop), serializer_(serializer), sink_(&sink) {}

  const spi::Serializer& serializer() const noexcept { return serializer_; }
  Outlet& outlet() noexcept { return outlet_; }
  /// Nothing is reported after this, and nothing posted: messages may outlive the loop.
  void close() noexcept;
  void report(const Failure& failure) const {
    if (sink_ != nullptr) sink_->on_error(failure);
  }
  /// The same from any thread.
  void post_report(Failure failure);
  /// The library's part of a message that is over. On any thread once this is closed.
  void spend(MessagePtr message) {
    if (!closed()) spent_.add(std::move(message));
  }
  void tidy() { spent_.tidy(); }

 private:
  const spi::Serializer& serializer_;
  spi::ServerSink* sink_;
  Outlet outlet_;
  SpentMessages spent_;
};

/// What becomes of a stored event. Core NATS has nothing to settle.
class Settler {
 public:
  virtual ~Settler() = default;
  /// On any thread, once.
  virtual void settle(NatsDelivery& delivery, spi::Settlement outcome) = 0;
  /// On the loop: the delivery is destroyed.
  virtual void forget(NatsDelivery& delivery) noexcept = 0;
  virtual std::uint32_t deliveries() const noexcept = 0;
};

/// A message and the way its answers go. Its views point into the library's message.
///
/// Lifetime: counted; made and destroyed on the service's loop, wherever the last pointer goes.
class NatsDelivery final : public transports::LiveDelivery, public NatsContext, public detail::Pooled {
 public:
  NatsDelivery(std::shared_ptr<LiveMessages> live, MessagePtr message);
  ~NatsDelivery() override;

  // spi::Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  std::uint32_t deliveries() const noexcept override { return settler_ ? settler_->deliveries() : 1; }
  TransportContext* context() noexcept override { return this; }

  // NatsContext
  std::string subject() const override { return std::string(subject_); }   // `headers` is both's

  // For the service, on its loop, before anybody else sees it.
  spi::RequestView& received() noexcept { return view_; }
  std::string& scratch() noexcept { return scratch_; }
  natsMsg* message() const noexcept { return message_.get(); }
  const Headers& native_headers() const noexcept { return native_; }
  void set_subject(std::string_view subject) noexcept { subject_ = subject; }
  void set_deadline(std::chrono::steady_clock::time_point when) noexcept { deadline_ = when; }
  void set_settler(std::shared_ptr<Settler> settler) noexcept { settler_ = std::move(settler); }

 private:
  LiveMessages& messages() const noexcept { return static_cast<LiveMessages&>(live()); }

  MessagePtr message_;
  Headers native_;
  std::string_view subject_;
  std::string scratch_;
  std::shared_ptr<Settler> settler_;
};

}  // namespace ferry::nats
