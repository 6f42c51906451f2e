#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "ferry/contexts/nats_context.hpp"
#include "ferry/detail/pool.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/nats/message.hpp"
#include "transports/nats/outlet.hpp"

namespace ferry::nats {

class NatsDelivery;

/// The messages of a service that handlers work on.
///
/// Lifetime: shared by the service and its messages.
/// Threads:  `bury` any; the rest on the loop.
class LiveMessages : public std::enable_shared_from_this<LiveMessages> {
 public:
  LiveMessages(const spi::Loop& loop, const spi::Serializer& serializer, spi::ServerSink& sink)
      : loop_(loop), serializer_(serializer), sink_(&sink) {}

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  Outlet& outlet() noexcept { return outlet_; }
  /// Nothing is reported after this, and nothing posted: messages may outlive the loop.
  void close() noexcept;
  void report(const Failure& failure) const {
    if (sink_ != nullptr) sink_->on_error(failure);
  }
  /// The same from any thread.
  void post_report(Failure failure);

  /// The caller of the request with this raw id waits no longer.
  void give_up(std::string_view id);
  void tidy() { spent_.tidy(); }
  /// Ends a message that nobody points to any more.
  void bury(NatsDelivery* delivery) noexcept;

 private:
  friend class NatsDelivery;
  void enlist(NatsDelivery& delivery) noexcept;
  void remove(NatsDelivery& delivery) noexcept;
  void collect() noexcept;

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  spi::ServerSink* sink_;
  Outlet outlet_;
  NatsDelivery* first_ = nullptr;   // requests of ferry clients, who may cancel
  SpentMessages spent_;
  std::atomic<bool> closed_{false};  // from here on `mutex_` guards the list, too
  std::mutex mutex_;
  NatsDelivery* graves_ = nullptr;  // those whose last pointer went on another thread
};

/// What becomes of a stored event. Core NATS has nothing to settle.
class Settler {
 public:
  virtual ~Settler() = default;
  /// On any thread, once.
  virtual void settle(NatsDelivery& delivery, spi::Settlement outcome) = 0;
  /// On the loop: the delivery is destroyed.
  virtual void forget(NatsDelivery& delivery) noexcept = 0;
};

/// A message and the way its answers go. Its views point into the library's message.
///
/// Lifetime: counted; made and destroyed on the service's loop, wherever the last pointer goes.
class NatsDelivery final : public spi::Delivery, public NatsContext, public detail::Pooled {
 public:
  NatsDelivery(std::shared_ptr<LiveMessages> live, MessagePtr message);
  ~NatsDelivery() override;

  // spi::Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
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
  /// Its caller may cancel.
  void enlist() { live_->enlist(*this); }

 private:
  friend class LiveMessages;
  void dispose() noexcept override;
  void give_up() {
    if (!finished_.load(std::memory_order_acquire)) abandon();
  }

  std::shared_ptr<LiveMessages> live_;
  MessagePtr message_;
  Headers native_;
  std::string_view subject_;
  std::string scratch_;
  std::shared_ptr<Settler> settler_;
  std::atomic<bool> finished_{false};   // the last reply was made, or the last pointer is gone

  NatsDelivery* next_ = nullptr;
  NatsDelivery* previous_ = nullptr;
  bool listed_ = false;
  NatsDelivery* grave_ = nullptr;
};

}  // namespace ferry::nats
