#pragma once
// One connection to a broker: frames out, many in one gathered write; methods and messages in, as they come.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "transports/common/net/link.hpp"
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

/// Threads: see net::Link.
class Connection final : public net::Link {
 public:
  Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, const Target& target, std::unique_ptr<net::Wire> wire);
  ~Connection() override;

  void set_user(ConnectionUser* user) noexcept { user_ = user; }
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
  bool blocked() const noexcept { return blocked_; }

 private:
  void on_open() override;
  std::size_t take(std::string_view unread, std::size_t& expected) override;
  void on_relieved() override;
  void on_end() override;
  void on_gone(const Failure& why) override;

  // Logging in: handshake.cpp.
  void take_handshake(const Method& method);
  void answer_start(const amqp_connection_start_t& start);
  void answer_tune(const amqp_connection_tune_t& tune);

  bool take(const Frame& frame);
  bool take_method(const Frame& frame);
  void take_connection_method(const Method& method);
  bool take_content_part(const Frame& frame);
  void broken(std::string_view what);

  bool send_method(std::uint16_t channel, amqp_method_number_t id, void* decoded);
  void beat();

  const std::shared_ptr<const Access> access_;
  const Target target_;
  ConnectionUser* user_ = nullptr;
  bool blocked_ = false;

  std::size_t frame_max_ = 128 * 1024;
  amqp_pool_t pool_{};                 // of the method at hand
  std::array<ContentReader, most_channels + 1> contents_;   // a channel's message under way
  std::string frames_;                 // reused for every message
  std::string last_;

  std::chrono::milliseconds beat_interval_{};
  bool heard_ = false;                 // since the last beat
  std::uint64_t written_ = 0;          // bytes, until the last beat
  int silences_ = 0;
};

}  // namespace ferry::rmq
