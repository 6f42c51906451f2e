#pragma once
// One connection to a server: commands out, many in one gathered write; replies in, each matched to its command.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
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
#include "transports/redis/options.hpp"
#include "transports/redis/resp.hpp"

namespace ferry::redis {

class Connection;

/// What a connection begins with.
struct LogIn {
  Credentials credentials;
  std::string name;
  std::int64_t db = 0;
};

/// What a command was for: handed back with its reply.
struct Expected {
  std::uint32_t kind = 0;     ///< the user's; 0: see `Connection::ask`
  std::uint64_t token = 0;
};

/// A message that was published to us. Valid during the call; `memory` holds its texts.
struct Published {
  std::string_view pattern;   ///< of a wildcard subscription; empty otherwise
  std::string_view channel;
  std::string_view body;
  const net::ChunkPtr& memory;
};

/// Whoever uses a connection. Called on its loop.
class ConnectionUser {
 public:
  virtual void on_reply(Connection& connection, const Expected& expected, const Value& reply) = 0;
  virtual void on_published(Connection&, const Published&) {}
  virtual void on_relieved(Connection&) {}   ///< no longer congested
  virtual void on_gone(Connection& connection, const Failure& why) = 0;   ///< once, the last call

 protected:
  ~ConnectionUser() = default;
};

/// Lifetime: shared by whoever counts on it and by its own pending operations.
/// Threads:  its loop, but for `send_from_afar` and `afar_bytes`.
class Connection final : public std::enable_shared_from_this<Connection>, public net::WireUser {
 public:
  using Clock = std::chrono::steady_clock;
  using Answer = std::function<void(const Value& reply)>;

  Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, std::unique_ptr<net::Wire> wire, std::string name);
  ~Connection();

  const spi::Loop& loop() const noexcept { return loop_; }
  const std::string& name() const noexcept { return name_; }   ///< "redis://127.0.0.1:6379"
  net::Socket* socket() noexcept { return wire_ ? &wire_->socket() : nullptr; }
  bool gone() const noexcept { return gone_; }

  /// TLS and the log-in, within `limit`; then `ready` is called, with what went wrong or with null. A connection that
  /// failed is gone.
  void start(std::chrono::milliseconds limit, LogIn log_in, std::function<void(const Failure*)> ready);
  void set_user(ConnectionUser* user) noexcept { user_ = user; }
  /// What is appended to `follower` while this one hands on what it has read leaves at the end of that, with no turn of
  /// the loop in between.
  void lead(const std::shared_ptr<Connection>& follower) { follower_ = follower; }
  /// Ends it now, without a call.
  void drop();
  /// Ends it now; the user hears why.
  void destroy(Failure why);
  /// Sends what is queued and waits for all replies, for at most `limit`; then ends it. `done` is called once, later.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

  /// Where a command is written to; `expect` must follow for each.
  net::OutQueue& out() noexcept { return writer_.queue(); }
  /// One command was appended: its reply comes to `on_reply`. It leaves at the end of the batch, or of the loop turn.
  void expect(Expected expected) {
    expected_.push_back(expected);
    appended();
  }
  void send(std::string_view command, Expected expected) {
    out().append(command);
    expect(expected);
  }
  /// For what is rarely asked.
  void ask(std::string_view command, Answer answer);
  /// Commands whose replies are of `expected.kind` all, from any thread. False if too much waits already.
  bool send_from_afar(std::string_view head, std::string& payload, std::string_view tail, Expected expected);
  bool congested() const noexcept { return writer_.congested(); }
  std::size_t afar_bytes() const;
  /// False: `bytes` more would pass `maxSendBufferSize`.
  bool has_room(std::size_t bytes) const noexcept {
    return access_->max_send_bytes == 0 || writer_.queue().bytes() + bytes <= access_->max_send_bytes;
  }
  /// Holds the texts of the reply at hand.
  const net::ChunkPtr& memory() const noexcept { return reader_.memory(); }

  /// Stops and restarts reading on somebody's behalf. What was read already waits as well.
  void hold(bool held);
  /// Pings every `interval`, and counts on something to come in each. Silence of ours (a hold) does not count.
  /// `ping` false: the commands under way bring something in time.
  void watch(std::chrono::milliseconds interval, bool ping);

 private:
  struct Afar;

  void on_handshake(const std::error_code& error, std::string_view detail) override;
  void on_read(const std::error_code& error, std::size_t bytes) override;
  void on_writable(const std::error_code& error) override;

  void send_log_in();
  void on_log_in(std::string_view what, const Value& reply);
  void ready(const Failure* failure);

  void read_more();
  void process();
  void take(const Value& reply);
  bool take_published(const Value& reply);
  void continue_reading();

  void appended();
  void post_flush();
  void flush();
  void write_now();
  void collect();
  void judge_congestion();
  void check_end();
  void tick();
  void release();

  const spi::Loop& loop_;
  const std::shared_ptr<const Access> access_;
  std::unique_ptr<net::Wire> wire_;
  const std::string name_;
  ConnectionUser* user_ = nullptr;
  std::optional<asio::steady_timer> timer_;          // log-in, then pings
  std::optional<asio::steady_timer> end_timer_;
  std::function<void(const Failure*)> ready_;
  LogIn log_in_;
  std::size_t log_in_steps_ = 0;
  std::function<void()> closed_;
  bool closing_ = false;

  bool gone_ = false;
  bool open_ = false;
  std::uint8_t pending_ = 0;           // operations of the wire under way
  bool reading_ = false;
  bool held_ = false;
  bool in_batch_ = false;              // of its own, or of the connection that leads it
  std::weak_ptr<Connection> follower_;
  bool flush_posted_ = false;

  RespReader reader_;
  std::unique_ptr<char[]> room_;       // of one read
  std::string_view unfed_;             // of it, what the reader has not had
  net::Writer writer_;
  std::deque<Expected> expected_;
  std::deque<Answer> answers_;

  std::chrono::milliseconds interval_{};
  bool pings_ = false;
  bool heard_ = false;                 // since the last tick
  bool waiting_ = false;               // something must come until the next one

  const std::unique_ptr<Afar> afar_;
};

}  // namespace ferry::redis
