#pragma once
// What a client or a service and its server know of each other beyond a connection: messages of QoS 1 and 2 under way in
// both directions, and subscriptions.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <asio/steady_timer.hpp>

#include "transports/mqtt/connection.hpp"
#include "transports/mqtt/inflow.hpp"
#include "transports/mqtt/outflow.hpp"

namespace ferry::mqtt {

/// Whoever has a session. Called on its loop, never from inside a call to the session.
class SessionUser {
 public:
  /// `arrival`: null for QoS 0. Views lie in `Session::memory()`.
  virtual void on_message(const Publish& message, const ArrivalPtr& arrival) = 0;
  /// A message of QoS 1 or 2 has its answer: null if it was accepted.
  virtual void on_published(const Ticket& ticket, const Failure* failure) = 0;
  virtual void on_subscribed(const Ticket& ticket, const Codes& answer) = 0;
  virtual void on_unsubscribed(const Ticket& ticket) = 0;
  virtual void on_flushed() {}
  virtual void on_relieved() {}
  /// The connection is gone. What was under way has no outcome; what still waited for its turn was not sent.
  virtual void on_lost(const Failure& why, const std::vector<Ticket>& unsent) = 0;

 protected:
  ~SessionUser() = default;
};

/// A message to publish. Its payload's contents may be taken over.
struct Outgoing {
  std::string_view topic = {};
  std::string_view properties = {};   ///< MQTT 5, encoded
  std::uint8_t qos = 0;
  bool retain = false;
  bool duplicate = false;
  std::string_view head = {};         ///< around the payload
  std::string* payload = nullptr;
  std::string_view tail = {};
  std::size_t body_size() const noexcept { return head.size() + payload->size() + tail.size(); }
};

/// Threads: its loop.
class Session final : private ConnectionUser {
 public:
  Session(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t max_inflight, SessionUser& user);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// A connection that the server has accepted. What the last one left open goes on, if the server still knows it.
  void begin(std::shared_ptr<Connection> connection);
  /// Lets go of the connection without a call.
  void drop();
  const std::shared_ptr<Connection>& connection() const noexcept { return connection_; }
  bool connected() const noexcept { return connection_ != nullptr; }
  const net::ChunkPtr& memory() const noexcept { return connection_->memory(); }

  /// Null, or why the server would not take it.
  bool admits(const Outgoing& message, Failure& failure) const;
  /// Only while connected. With QoS 0 `ticket` is not heard of again.
  void publish(const Outgoing& message, const Ticket& ticket);
  /// What was published so, and may not have arrived, is not sent again when the session goes on. See `Outflow::forget`.
  void forget(std::uint32_t kind) { outflow_.forget(kind); }
  void subscribe(const std::vector<TopicFilter>& filters, const Ticket& ticket);
  void unsubscribe(const std::vector<std::string>& filters, const Ticket& ticket);
  /// The message was handled.
  void settle(Arrival& arrival);

  void hold(bool held);
  /// Sends what was taken, and waits for its acknowledgements, for at most `limit`; then says farewell. `done` is called once,
  /// later; the user hears nothing more.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

 private:
  void on_publish(const Publish& message) override;
  void on_acknowledgement(PacketType type, const Acknowledgement& answer) override;
  void on_codes(PacketType type, const Codes& answer) override;
  void on_flushed() override { user_.on_flushed(); }
  void on_relieved() override { user_.on_relieved(); }
  void on_gone(const Failure& why) override;

  /// A message that waits for its turn: whole, but for its id.
  struct Waiting {
    std::string packet;
    std::size_t id_at = 0;             // where it goes
    std::uint8_t qos = 0;
    Ticket ticket;
  };

  PublishHead head_of(const Outgoing& message) const noexcept;
  void send_now(const Outgoing& message, const Ticket& ticket);
  void put_off(const Outgoing& message, const Ticket& ticket);
  void send_waiting();
  void write(std::string_view packet);
  void write_acknowledgement(PacketType type, std::uint16_t id, std::uint8_t code = 0);
  void report(const Ticket& ticket, std::uint8_t code, std::string_view words);
  void apply_hold();
  void check_end();
  void say_farewell();

  const spi::Loop& loop_;
  const std::shared_ptr<const Access> access_;
  const std::size_t max_inflight_;
  SessionUser& user_;
  std::shared_ptr<Connection> connection_;
  Outflow outflow_;
  Inflow inflow_;
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::string packet_;                 // reused
  bool held_ = false;
  std::function<void()> closed_;       // closing: the user hears nothing more
  std::unique_ptr<asio::steady_timer> timer_;   // of the end
  std::chrono::steady_clock::time_point end_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace ferry::mqtt
