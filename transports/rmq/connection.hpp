#pragma once
// One connection to a broker: frames out, many in one gathered write; methods and messages in, as they come.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/common/net/wire.hpp"
#include "transports/common/net/writer.hpp"
#include "transports/rmq/content.hpp"
#include "transports/rmq/frame.hpp"
#include "transports/rmq/options.hpp"

namespace ferry::rmq {

class Connection;

/// Channels are numbered from 1 on; nobody here needs more.
inline constexpr std::uint16_t most_channels = 3;

/// Whoever uses a connection. Called on its loop.
class ConnectionUser {
 public:
  /// A method of a channel that brings no message: a confirmation, the answer to what was asked.
  virtual void on_method(Connection& connection, const Method& method) = 0;
  /// A message was delivered, or came back.
  virtual void on_content(Connection& connection, Content& content) = 0;
  /// The broker closed a channel; the connection goes on.
  virtual void on_channel_closed(Connection& connection, std::uint16_t channel, const Failure& why) = 0;
  /// The broker does not read what is published, or reads again.
  virtual void on_blocked(Connection&, bool blocked, std::string_view reason) = 0;
  virtual void on_relieved(Connection&) {}   ///< no longer congested
  virtual void on_gone(Connection& connection, const Failure& why) = 0;   ///< once, the last call

 protected:
  ~ConnectionUser() = default;
};

/// Lifetime: shared by whoever counts on it and by its own pending operations.
/// Threads:  its loop, but for `congested`.
class Connection final : public std::enable_shared_from_this<Connection>, public net::WireUser {
 public:
  Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, const Target& target, std::unique_ptr<net::Wire> wire);
  ~Connection();

  const spi::Loop& loop() const noexcept { return loop_; }
  const std::string& name() const noexcept { return target_.name; }
  net::Socket* socket() noexcept { return wire_ ? &wire_->socket() : nullptr; }
  bool gone() const noexcept { return gone_; }

  /// TLS and log-in, within `limit`; then `ready` is called, with what went wrong or with null. A connection that failed
  /// is gone.
  void start(std::chrono::milliseconds limit, std::function<void(const Failure*)> ready);
  void set_user(ConnectionUser* user) noexcept { user_ = user; }
  /// Ends it now, without a call.
  void drop();
  /// Ends it now; the user hears why.
  void destroy(Failure why);
  /// Sends what is queued and closes as AMQP wants it, for at most `limit`. The user is called no more; `done` once, later.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

  /// A method leaves at the end of the batch, or of the loop's turn.
  template <class T>
  bool send(std::uint16_t channel, amqp_method_number_t id, T decoded) {
    return send_method(channel, id, &decoded);
  }
  /// A message whose body is head, payload and tail; takes a large payload over. False, with `failure` set, if it was not taken.
  bool publish(std::uint16_t channel, const Publication& message, std::string_view head, std::string& payload,
               std::string_view tail, Failure& failure);
  bool congested() const noexcept { return writer_.congested(); }
  bool blocked() const noexcept { return blocked_; }

  /// Stops and restarts reading on somebody's behalf. What was read already waits as well.
  void hold(bool held);

 private:
  void on_handshake(const std::error_code& error, std::string_view detail) override;
  void on_read(const std::error_code& error, std::size_t bytes) override;
  void on_writable(const std::error_code& error) override;

  // Logging in: handshake.cpp.
  void take_handshake(const Method& method);
  void answer_start(const amqp_connection_start_t& start);
  void answer_tune(const amqp_connection_tune_t& tune);
  void ready(const Failure* failure);

  void read_more();
  void process();
  bool take(const Frame& frame);
  bool take_method(const Frame& frame);
  void take_connection_method(const Method& method);
  bool take_content_part(const Frame& frame);
  void broken(std::string_view what);

  bool send_method(std::uint16_t channel, amqp_method_number_t id, void* decoded);
  void appended();
  void post_flush();
  void flush();
  void write_now();
  void judge_congestion();
  void beat();
  void release();
  net::OutQueue& out() noexcept { return writer_.queue(); }

  const spi::Loop& loop_;
  const std::shared_ptr<const Access> access_;
  const Target target_;
  std::unique_ptr<net::Wire> wire_;
  ConnectionUser* user_ = nullptr;
  std::optional<asio::steady_timer> timer_;          // log-in, then heartbeats
  std::optional<asio::steady_timer> end_timer_;
  std::function<void(const Failure*)> ready_;
  std::function<void()> closed_;
  bool blocked_ = false;

  bool gone_ = false;
  bool open_ = false;                  // frames may be written
  std::uint8_t pending_ = 0;           // operations of the wire under way
  bool reading_ = false;
  bool held_ = false;
  bool in_batch_ = false;
  bool flush_posted_ = false;

  std::size_t frame_max_ = 128 * 1024;
  net::InBuffer in_;
  std::size_t needed_ = 0;             // unread bytes of which a frame may be made
  amqp_pool_t pool_{};                 // of the method at hand
  std::array<ContentReader, most_channels + 1> contents_;   // a channel's message under way
  net::Writer writer_;
  std::string frames_;                 // reused for every message
  std::string last_;

  std::chrono::milliseconds beat_interval_{};
  bool heard_ = false;                 // since the last beat
  std::uint64_t written_ = 0;          // bytes, until the last beat
  int silences_ = 0;
};

}  // namespace ferry::rmq
