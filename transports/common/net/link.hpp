#pragma once
// One connection: its start and its end, what comes in handed on message by message, what goes out in gathered writes.

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

namespace ferry::net {

/// To derive from. What arrives while somebody holds it waits; what was appended during a batch of messages leaves with it.
///
/// Lifetime: shared by whoever counts on it and by its own pending operations.
/// Threads:  its loop, but for `send_from_afar`, `congested` and `afar_bytes`.
class Link : public std::enable_shared_from_this<Link>, public WireUser {
 public:
  struct Limits {
    std::size_t max_send_bytes = 0;     ///< 0: no limit
    std::size_t high_water_bytes = 0;   ///< above it `congested`; 0: never
  };

  Link(const spi::Loop& loop, std::unique_ptr<Wire> wire, Limits limits, std::string name);
  virtual ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const spi::Loop& loop() const noexcept { return loop_; }
  const std::string& name() const noexcept { return name_; }   ///< its URL, for people
  Socket* socket() noexcept { return wire_ ? &wire_->socket() : nullptr; }
  bool gone() const noexcept { return gone_; }

  /// The handshake and what the protocol begins with, within `limit`; then `ready` is called, with what went wrong or with
  /// null. A connection that failed is gone.
  void start(std::chrono::milliseconds limit, std::function<void(const Failure*)> ready);
  /// What is appended to `follower` while this one hands on what it has read leaves at the end of that, with no turn of the
  /// loop in between.
  void lead(const std::shared_ptr<Link>& follower) { follower_ = follower; }
  /// Ends it now; whoever uses it hears why.
  void destroy(Failure why);
  /// Ends it now, without a call.
  void drop();

  /// Where a message is written to; `appended` must follow for each.
  OutQueue& out() noexcept { return writer_.queue(); }
  const OutQueue& out() const noexcept { return writer_.queue(); }
  /// It leaves at the end of the batch, or of the loop turn, or when enough has come together.
  void appended();
  /// From any thread. False if too much waits already, or the connection is gone.
  bool send_from_afar(std::string_view head, std::string& payload, std::string_view tail);
  std::size_t afar_bytes() const;
  bool congested() const noexcept { return writer_.congested(); }
  /// False: `bytes` more would pass the limit.
  bool has_room(std::size_t bytes) const noexcept {
    return limits_.max_send_bytes == 0 || out().bytes() + bytes <= limits_.max_send_bytes;
  }
  /// Holds the message at hand.
  const ChunkPtr& memory() const noexcept { return in_.chunk(); }

  /// Stops and restarts reading on somebody's behalf. What was read already waits as well.
  void hold(bool held);
  bool held() const noexcept { return held_; }

 protected:
  /// Calls `ready`, if nobody has: the peer takes us.
  void started();
  bool starting() const noexcept { return ready_ != nullptr; }
  /// The connection ends within `limit`, somehow, and then `done` is called, later. Lifts a hold.
  void end_within(std::chrono::milliseconds limit, std::function<void()> done);
  bool ending() const noexcept { return ended_ != nullptr; }
  /// Sends what is queued, then our end; the peer's end follows, unless `destroy` comes first.
  void finish();
  void post_flush();
  void flush();
  void write_now();
  void say_end() { wire_->shutdown_send(); }
  /// Calls `then` after `delay`, unless the connection is gone then or another call came first.
  void after(std::chrono::milliseconds delay, std::function<void()> then);

  virtual void on_open() = 0;
  /// Takes one message, at most, from the front of `unread`, which may be empty: returns how many bytes that were. 0 if more
  /// are needed: `expected` may say how many in all.
  virtual std::size_t take(std::string_view unread, std::size_t& expected) = 0;
  virtual void on_collected(std::size_t messages) { static_cast<void>(messages); }   ///< from other threads, into `out`
  virtual void on_relieved() {}   ///< no longer congested
  virtual void on_flushed() {}    ///< a write is over; perhaps all is written
  virtual void on_end() {}        ///< it is gone: lets go of what it has of others
  virtual void on_gone(const Failure& why) = 0;   ///< unless it was dropped or did not start; once, the last call

 private:
  struct Afar;

  void on_handshake(const std::error_code& error, std::string_view detail) final;
  void on_read(const std::error_code& error, std::size_t bytes) final;
  void on_writable(const std::error_code& error) final;

  void read_more();
  void process();
  void collect();
  void judge_congestion();
  void release();

  const spi::Loop& loop_;
  std::unique_ptr<Wire> wire_;
  const Limits limits_;
  const std::string name_;

  std::function<void(const Failure*)> ready_;
  std::function<void()> ended_;
  std::optional<asio::steady_timer> timer_;       // of the start, then of `after`
  std::optional<asio::steady_timer> end_timer_;
  std::weak_ptr<Link> follower_;

  bool gone_ = false;
  bool dropped_ = false;
  bool open_ = false;
  bool finishing_ = false;
  bool finished_ = false;              // our end is sent
  std::uint8_t pending_ = 0;           // operations of the wire under way
  bool reading_ = false;
  bool held_ = false;
  bool in_batch_ = false;              // of its own, or of the connection that leads it
  bool flush_posted_ = false;
  std::size_t expected_ = 0;

  InBuffer in_;
  Writer writer_;
  const std::unique_ptr<Afar> afar_;
};

}  // namespace ferry::net
