#pragma once
// One connection, as client and service share it: frames out of what was read, one gathered write for all that a loop
// turn produced, limits, back-pressure, and an orderly end.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "ferry/spi/serializer.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/tcp/error.hpp"
#include "transports/tcp/framing.hpp"
#include "transports/tcp/options.hpp"
#include "transports/common/net/wire.hpp"
#include "transports/common/net/writer.hpp"

namespace ferry::tcp {

/// Lifetime: shared by whoever counts on it and by its own pending operations; `wire` and timer go soon after its end,
///           the rest with the last pointer.
/// Threads:  everything on its loop.
class Connection : public std::enable_shared_from_this<Connection>, public WireUser {
 public:
  using Clock = std::chrono::steady_clock;
  /// For what runs to be answered, after the peer broke a rule or ended its side.
  static constexpr std::chrono::milliseconds answers_limit{5000};

  Connection(const spi::Loop& loop, const spi::Serializer& serializer, const Limits& limits,
             std::unique_ptr<Wire> wire);
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  const std::string& peer_name() const noexcept { return peer_name_; }   ///< "tcp://127.0.0.1:51000"
  const Address& peer_address() const noexcept { return peer_address_; }
  const Address& own_address() const noexcept { return own_address_; }
  bool secure() const noexcept { return secure_; }
  const std::string& peer_subject() const noexcept { return peer_subject_; }
  Socket* socket() noexcept { return wire_ ? &wire_->socket() : nullptr; }

  /// Shakes hands, within `limit`, then calls `on_open` and reads. Always ends in `on_gone`.
  void start(std::chrono::milliseconds limit);
  /// Stops and restarts reading on somebody's behalf. Frames that are there already wait as well.
  void hold(bool held);
  /// Dispatches the frames that are there completely. From then on `draining`: what still comes is read, because a peer that
  /// cancels or goes must be heard, but it is not to be taken up.
  void drain();
  /// Takes nothing any more, sends what is queued and, with `answers`, what is still owed; then ends the connection so
  /// that the peer gets all of it. At the latest after `limit`.
  void end(std::chrono::milliseconds limit, bool answers, Failure why);
  /// Ends it now.
  void destroy(Failure why);
  bool gone() const noexcept { return state_ == State::gone; }
  /// The memory of unread input and unsent output, in whole units of 16 KiB: what is less costs no bookkeeping.
  std::size_t held() const noexcept { return held_; }

 protected:
  enum class State : std::uint8_t { shaking_hands, open, ending, lingering, gone };

  // What derived classes do. `on_frame` may end the connection.
  virtual void on_open() {}
  virtual void on_frame(std::string_view body, const ChunkPtr& chunk) = 0;
  virtual void on_sent() {}                        ///< more of the queue was taken by the system
  virtual void on_relieved() {}                    ///< no longer congested
  virtual bool owes_answers() const { return false; }
  /// The peer may still write, and has something of ours to lose: see `linger`.
  virtual bool parts_gently() const { return true; }
  virtual void collect() {}                        ///< brings in what other threads queued
  /// What it holds went from `before` to `now`. False: that is too much, take nothing more for the moment.
  virtual bool on_held(std::size_t before, std::size_t now) { return static_cast<void>(before + now), true; }
  virtual void on_peer_ended() = 0;                ///< no more will come from the peer
  virtual void on_fault(const Failure& why) = 0;   ///< the peer broke a rule; the connection ends after this
  virtual void on_gone(const Failure& why) = 0;    ///< once, the last call

  State state() const noexcept { return state_; }
  bool draining() const noexcept { return draining_; }
  OutQueue& out() noexcept { return writer_.queue(); }
  const OutQueue& out() const noexcept { return writer_.queue(); }
  const Limits& limits() const noexcept { return limits_; }
  bool text() const noexcept { return text_; }
  bool congested() const noexcept { return writer_.congested(); }
  /// After something was appended to `out()`: it leaves at the end of the batch, or of the loop turn; and before that when
  /// it is enough for the peer to begin with while we go on.
  void appended() {
    if (writer_.appended()) relieve();
    if (!in_batch_ && !flush_posted_) post_flush();
  }
  void post_flush();
  /// Sends what is queued and sees to what follows from it. Not from inside a call of core's.
  void flush();
  /// The peer broke a rule: nothing of it is read any more, what it is owed is sent, and the connection ends.
  void fault(TcpError code, std::string text);
  /// Looks again whether the connection may end now.
  void check_end();
  /// The start of the batch, for what a message says about time.
  Clock::time_point batch_time();

 private:
  enum Due : std::uint8_t { incomplete, stalled_write, ending, due_count };
  static constexpr Clock::time_point never = Clock::time_point::max();
  static constexpr std::uint8_t held_by_owner = 1;
  static constexpr std::uint8_t held_by_congestion = 2;
  static constexpr std::uint8_t held_by_excess = 4;
  static constexpr std::size_t held_unit = 16 * 1024;

  void on_handshake(const std::error_code& error, std::string_view detail) final;
  void on_read(const std::error_code& error, std::size_t bytes) final;
  void on_writable(const std::error_code& error) final;

  void read_more();
  void process();
  bool take_step(const FrameReader::Step& step);
  void watch_packet();
  void continue_reading();

  void relieve();
  void write_now();
  bool queues_too_much() const noexcept {
    return limits_.max_send_bytes != 0 && out().bytes() > limits_.max_send_bytes;
  }
  void wait_for_room();
  bool account() {
    const std::size_t now = (in_.held() + out().bytes()) / held_unit * held_unit;
    return now == held_ || on_held(std::exchange(held_, now), now);
  }
  void judge_congestion();

  void linger();
  void release();
  void arm(Due due, Clock::time_point when);
  void on_timer();
  void on_due(Due due, Clock::time_point now);

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  const Limits limits_;
  const bool text_;
  std::unique_ptr<Wire> wire_;
  std::optional<asio::steady_timer> timer_;
  Address peer_address_;
  Address own_address_;
  std::string peer_name_;
  std::string peer_subject_;
  bool secure_ = false;

  State state_ = State::shaking_hands;
  std::uint8_t pending_ = 0;                   // operations of the wire under way
  bool reading_ = false;                       // one of them reads
  bool dispatch_all_ = false;                  // `drain`: whatever holds us
  bool draining_ = false;
  bool in_batch_ = false;
  bool flush_posted_ = false;
  bool reading_on_ = false;                    // though congested: see judge_congestion
  bool answers_owed_ = false;                  // `end` waits for them
  std::uint8_t holds_ = 0;
  FrameReader reader_;
  InBuffer in_;
  Writer writer_;                              // other threads may ask it whether it is congested
  std::size_t held_ = 0;
  Failure end_reason_;
  std::uint64_t sent_at_check_ = 0;            // for stalled_write
  Clock::time_point last_read_ = {};
  Clock::time_point batch_time_ = {};
  std::array<Clock::time_point, due_count> due_;
  Clock::time_point armed_ = never;
};

}  // namespace ferry::tcp
