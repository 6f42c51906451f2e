#pragma once
// What a service does: a connection that comes and goes, messages, their replies and what becomes of them.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/spi/transport.hpp"
#include "transports/rmq/confirms.hpp"
#include "transports/rmq/connection.hpp"
#include "transports/rmq/connector.hpp"
#include "transports/rmq/delivery.hpp"
#include "transports/rmq/setup.hpp"
#include "transports/rmq/topic.hpp"

namespace ferry::rmq {

/// Lifetime: shared by its server and by the messages it brought; it outlives its connections, so that a reply made after
///           a loss goes out on the next one.
/// Threads:  `reply`, `settle`, `give_back`, `writable` and `when_writable` any; the rest on its loop.
class Service final : public std::enable_shared_from_this<Service>, private ConnectionUser {
 public:
  using Done = std::function<void(const Failure*)>;

  Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  const std::shared_ptr<transports::LiveDeliveries>& live() const noexcept { return live_; }

  void listen(std::vector<spi::Subscription> subscriptions, Done done);
  void hold(bool held);
  void drain(std::function<void()> done);
  void close(std::chrono::milliseconds limit, std::function<void()> done);
  /// Ends everything now, and calls the sink no more.
  void shut();
  std::string endpoint() const { return endpoint_; }
  spi::NativeHandle native() noexcept;

  /// The broker waits to hear what became of a message.
  bool acknowledges() const noexcept { return !settings_.no_ack; }
  /// Throws `Error` for a handler that settles what needs none.
  void require_acknowledgement() const;
  void reply(RmqDelivery& delivery, spi::ReplyKind kind, std::string& payload);
  void settle(RmqDelivery& delivery, spi::Settlement outcome);
  /// To the queue again, at once and without counting.
  void give_back(RmqDelivery& delivery);
  bool writable() const;
  void when_writable(std::function<void()> ready);

 private:
  enum Channel : std::uint16_t { work = 1, cancels, copies };

  /// What other threads leave for the loop.
  struct Left {
    enum class What : std::uint8_t { reply, settle, give_back };
    spi::DeliveryPtr owner;
    RmqDelivery* delivery;
    What what;
    spi::ReplyKind kind = spi::ReplyKind::end;
    spi::Settlement outcome = spi::Settlement::ack;
    std::string payload = {};
  };

  // ConnectionUser
  void on_method(Connection& connection, const Method& method) override;
  void on_content(Connection& connection, Content& content) override;
  void on_channel_closed(Connection& connection, std::uint16_t channel, const Failure& why) override;
  void on_blocked(Connection& connection, bool blocked, std::string_view reason) override;
  void on_relieved(Connection& connection) override;
  void on_gone(Connection& connection, const Failure& why) override;

  void connected();
  void set_up_cancels();
  void set_up_work();
  void listening();
  void lost(const Failure& why);
  void drop_connection();
  void apply_hold();
  void drained();
  void close_now(std::chrono::milliseconds limit);

  void take_cancel(std::string_view body);
  void meet(RmqDelivery& delivery);
  void say_hello(const RmqDelivery& delivery);

  void leave(Left left);
  void do_what_was_left();
  void send_reply(RmqDelivery& delivery, spi::ReplyKind kind, std::string& payload);
  void settle_now(RmqDelivery& delivery, spi::Settlement outcome);
  void nack(const RmqDelivery& delivery, bool requeue);
  void retry(RmqDelivery& delivery);
  void keep_dead(RmqDelivery& delivery, std::uint64_t deliveries, std::string_view cause);
  /// `cause`: of a dead letter, which does not expire.
  void copy_to(RmqDelivery& delivery, const std::string& queue, std::uint64_t deliveries, const std::string& expiration,
               std::string_view cause);
  void take_confirmation(const Method& method);
  bool of_this_connection(const RmqDelivery& delivery) const noexcept;
  void report(const Failure& failure) const;
  bool silent() const noexcept { return silent_.load(std::memory_order_acquire); }

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  spi::ServerSink& sink_;
  const ServerSettings settings_;
  const std::shared_ptr<const Access> access_;
  const bool extensions_;
  const std::shared_ptr<transports::LiveDeliveries> live_;
  std::atomic<bool> silent_{false};

  std::vector<spi::Subscription> subscriptions_;
  Topics topics_;
  Done done_;
  std::shared_ptr<Connector> connector_;
  std::size_t attempts_ = 0;
  std::shared_ptr<Connection> connection_;
  std::uint64_t connection_number_ = 0;
  std::unique_ptr<Setup> cancels_setup_;
  std::unique_ptr<Setup> setup_;
  bool listening_ = false;
  std::string endpoint_;
  bool held_ = false;
  bool congested_ = false;
  bool draining_ = false;
  std::function<void()> drained_;
  std::function<void()> closed_;
  std::optional<asio::steady_timer> close_timer_;
  Confirms<std::uint64_t> copies_;         // the tags of what was copied to another queue

  std::string head_;                       // reused for every reply
  std::string tail_;
  std::vector<std::function<void()>> writers_;

  mutable std::mutex mutex_;               // guards what other threads use:
  std::shared_ptr<Connection> shared_connection_;
  std::vector<Left> left_;
  std::size_t left_bytes_ = 0;
  bool left_posted_ = false;
};

}  // namespace ferry::rmq
