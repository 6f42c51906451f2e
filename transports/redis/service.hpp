#pragma once
// What a service does in either mode: connections that come and go, replies, cancels, pushing back.

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
#include "transports/redis/connection.hpp"
#include "transports/redis/connector.hpp"
#include "transports/redis/delivery.hpp"

namespace ferry::redis {

/// Lifetime: shared by its server and by the messages it brought; it outlives its connections, so that a reply made after
///           a loss goes out on the next one.
/// Threads:  `reply`, `settle`, `writable` and `when_writable` any; the rest on its loop.
class Service : public std::enable_shared_from_this<Service>, protected ConnectionUser {
 public:
  using Done = std::function<void(const Failure*)>;

  /// `connections`: how many it needs: one for commands, one that subscribes, and what a mode needs more.
  Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings,
          std::size_t connections);
  virtual ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  const ServerSettings& settings() const noexcept { return settings_; }
  const std::shared_ptr<transports::LiveDeliveries>& live() const noexcept { return live_; }

  void listen(std::vector<spi::Subscription> subscriptions, Done done);
  void hold(bool held);
  virtual void drain(std::function<void()> done) = 0;
  virtual void close(std::chrono::milliseconds limit, std::function<void()> done);
  /// Ends everything now, and calls the sink no more.
  virtual void shut();
  /// The sink is called no more. From any thread.
  void silence() noexcept { silent_.store(true, std::memory_order_release); }
  std::string endpoint() const;
  spi::NativeHandle native() noexcept;

  void reply(RedisDelivery& delivery, spi::ReplyKind kind, std::string& payload);
  virtual void settle(RedisDelivery&, spi::Settlement) {}
  bool writable() const;
  void when_writable(std::function<void()> ready);

 protected:
  /// What the commands of a service are for.
  enum Kind : std::uint32_t { replied = 1, subscribed, own_kinds };

  /// All connections are there; ends in `listening`, or in a connection's end.
  virtual void on_connections() = 0;
  /// They are gone, and so is what was under way on them.
  virtual void on_lost() {}
  virtual void apply_hold() = 0;
  void listening();
  /// Ends the connections, and says so: what was asked of the server cannot be had.
  void give_up(const Failure& why) { lost(why); }

  void on_reply(Connection& connection, const Expected& expected, const Value& reply) override;
  void on_relieved(Connection& connection) override;
  void on_gone(Connection& connection, const Failure& why) override;

  /// One message to core. `from_ferry`: known without looking at its headers.
  void deliver(spi::DeliveryPtr owner, RedisDelivery& delivery, bool from_ferry = false);
  /// True if it is a caller's cancel, not for a handler.
  bool take_cancel(std::string_view channel, std::string_view body);
  void report(const Failure& failure) const;
  void subscribe(std::string_view command, const std::string& channel);
  bool held() const noexcept { return held_ || congested_; }
  void drop_connections();
  Connection& commands() noexcept { return *connections_[0]; }
  Connection& subscriber() noexcept { return *connections_[1]; }
  Connection& third() noexcept { return *connections_[2]; }
  bool connected() const noexcept { return !connections_.empty(); }
  const std::vector<spi::Subscription>& subscriptions() const noexcept { return subscriptions_; }
  bool extensions() const noexcept { return extensions_; }

  bool draining_ = false;

 private:
  void lost(const Failure& why);
  void meet(RedisDelivery& delivery);
  bool publish(std::string_view channel, std::string_view head, std::string& payload, std::string_view tail);
  void wake_writers();
  std::shared_ptr<Connection> any_thread_commands() const;

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  spi::ServerSink& sink_;
  const ServerSettings settings_;
  const std::shared_ptr<const Access> access_;
  const std::size_t connection_count_;
  const bool extensions_;
  const std::shared_ptr<transports::LiveDeliveries> live_;
  std::atomic<bool> silent_{false};

  std::vector<spi::Subscription> subscriptions_;
  Done done_;
  std::shared_ptr<Connector> connector_;
  std::size_t attempts_ = 0;
  Connections connections_;
  std::size_t unconfirmed_ = 0;            // subscriptions
  std::string endpoint_;
  bool held_ = false;
  bool congested_ = false;

  std::string head_;                       // reused for every reply
  std::string tail_;
  std::string command_;
  std::vector<std::function<void()>> writers_;

  mutable std::mutex mutex_;               // guards what other threads use:
  std::shared_ptr<Connection> shared_commands_;
};

}  // namespace ferry::redis
