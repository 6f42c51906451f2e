#pragma once
// What a service does: its session, messages to handlers, replies, cancels, pushing back.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/common/live_deliveries.hpp"
#include "transports/mqtt/connector.hpp"
#include "transports/mqtt/delivery.hpp"
#include "transports/mqtt/retries.hpp"
#include "transports/mqtt/routes.hpp"
#include "transports/mqtt/session.hpp"

namespace ferry::mqtt {

/// Lifetime: shared by its server and by the messages it brought; it outlives its connections, so that a reply made after
///           a loss goes out on the next one.
/// Threads:  `reply`, `settle`, `writable` and `when_writable` any; the rest on its loop.
class Service final : public std::enable_shared_from_this<Service>, private SessionUser {
 public:
  using Done = std::function<void(const Failure*)>;

  Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  const std::shared_ptr<transports::LiveDeliveries>& live() const noexcept { return live_; }

  void listen(const std::vector<spi::Subscription>& subscriptions, Done done);
  void hold(bool held);
  void drain(std::function<void()> done);
  void close(std::chrono::milliseconds limit, std::function<void()> done);
  /// Ends everything now, and calls the sink no more.
  void shut();
  /// The sink is called no more. From any thread.
  void silence() noexcept { silent_.store(true, std::memory_order_release); }
  const std::string& endpoint() const noexcept { return endpoint_; }
  spi::NativeHandle native() noexcept;

  /// False if it could not be sent.
  bool reply(const MqttDelivery& delivery, spi::ReplyKind kind, std::string& payload);
  void settle(const MqttDelivery& delivery, spi::Settlement outcome);
  bool writable() const;
  void when_writable(std::function<void()> ready);

 private:
  enum Kind : std::uint32_t { subscribed = 1, unsubscribed, dead_lettered };

  void on_message(const Publish& message, const ArrivalPtr& arrival) override;
  void on_published(const Ticket& ticket, const Failure* failure) override;
  void on_subscribed(const Ticket& ticket, const Codes& answer) override;
  void on_unsubscribed(const Ticket& ticket) override;
  void on_relieved() override;
  void on_lost(const Failure& why, const std::vector<Ticket>& unsent) override;

  void connected(std::shared_ptr<Connection> connection);
  void listening();
  void lost(const Failure& why);
  void drained();
  void apply_hold();
  void wake_writers();

  void deliver(Message message);
  bool take_cancel(const Publish& message);
  bool is_reply(const Message& message, const spi::RequestView& view) const;
  void meet(MqttDelivery& delivery);
  void say_hello(const MqttDelivery& delivery);
  void finish(const Message& message, spi::Settlement outcome, bool reply_lost);
  void dead_letter(const Message& message);
  void report(const Failure& failure) const;
  std::shared_ptr<Connection> any_thread_connection() const;
  void share(std::shared_ptr<Connection> connection);

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  spi::ServerSink& sink_;
  const ServerSettings settings_;
  const std::shared_ptr<const Access> access_;
  const bool extensions_;
  const std::shared_ptr<transports::LiveDeliveries> live_;
  std::atomic<bool> silent_{false};

  Routes routes_;
  Done done_;
  std::function<void()> drained_;
  std::shared_ptr<Connector> connector_;
  std::size_t attempts_ = 0;
  Session session_;
  Retries retries_;
  std::string endpoint_;
  bool held_ = false;
  bool congested_ = false;
  bool draining_ = false;
  std::vector<std::function<void()>> writers_;

  mutable std::mutex mutex_;               // guards what other threads use:
  std::shared_ptr<Connection> shared_connection_;
};

}  // namespace ferry::mqtt
