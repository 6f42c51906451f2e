#pragma once
// One connection of nats.c's, driven by our loop instead of by threads of the library.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <nats/nats.h>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/nats/message.hpp"
#include "transports/nats/options.hpp"

namespace ferry::nats {

/// What is published, valid during the call.
struct Outgoing {
  const char* subject = nullptr;
  const char* reply = nullptr;         ///< null: nobody answers
  std::string_view body;
  const Headers* headers = nullptr;    ///< null or empty: none
};

/// The library reads and writes only when this tells it to: `on_input` once what arrived is in the subscriptions, and one
/// gathered write for all that was published in a turn of the loop.
///
/// Lifetime: shared with the library until the connection ends, with what is posted, and with messages that reply to it.
///           Whoever opened it must `end` it.
/// Threads:  `publish`, `writable`, `when_writable`, `max_payload` and `ended` any; the rest on its loop. The library
///           calls the functions it was given on any thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// What it tells its owner, on the loop.
  class Owner {
   public:
    virtual void on_input() = 0;                              ///< subscriptions may have messages
    virtual void on_output() = 0;                             ///< more was written
    virtual void on_gone(const Failure& why) = 0;             ///< the last call
    virtual void on_server_error(const Failure& failure) = 0; ///< the server refused something, and goes on

   protected:
    ~Owner() = default;
  };

  static std::shared_ptr<Connection> make(const spi::Loop& loop, const LinkSettings& settings);
  ~Connection();

  /// Makes the library use this: before it connects.
  natsStatus install(natsOptions* options);
  /// It has connected: owns `handle` from here on.
  void open(natsConnection* handle, Owner& owner);
  /// Ends it at once; what is queued is lost. The owner is told no more.
  void end();
  /// Nothing is posted any more: the loop may go while the library still has this.
  void silence();
  /// Ends it once everything is written, but no later than after `limit`.
  void end_gently(std::chrono::milliseconds limit, std::function<void()> done);
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

  natsConnection* handle() const noexcept { return handle_; }
  /// For `unwrap<natsConnection*>()`: the type itself is incomplete, and has no type information.
  natsConnection** handle_place() noexcept { return &handle_; }
  const spi::Loop& loop() const noexcept { return loop_; }
  /// Where it is connected to, without secrets; and its servers, the discovered ones included.
  const std::string& url() const noexcept { return url_; }
  std::vector<std::string> known_servers() const;
  std::int64_t max_payload() const noexcept { return max_payload_; }

  /// Queues a message. False, with `failure` set, if it was not taken.
  bool publish(const Outgoing& message, Failure& failure);
  bool writable() const noexcept { return queued_.load(std::memory_order_relaxed) <= high_water; }
  /// Calls `ready` on the loop, when it is writable again or gone.
  void when_writable(std::function<void()> ready);
  /// Of the client, which alone publishes on its connection: bytes ever queued, and those of them that were written.
  std::uint64_t appended() const noexcept { return appended_; }
  std::uint64_t written() const noexcept { return written_; }

  /// Stop, and go on, reading what the server sends.
  void hold(bool held);
  /// Calls `done` when the server has seen all that was sent before, and its answers have come; or with what went wrong.
  void round_trip(std::chrono::milliseconds limit, std::function<void(natsStatus)> done);
  /// Messages that the last read brought, for all subscriptions together.
  std::uint64_t arrived() const noexcept { return arrived_; }
  void discard(MessagePtr message) { spent_.add(std::move(message)); }

 private:
  struct Held {   // what does not go to the library yet
    std::string subject;
    std::string reply;
    std::string body;
    Headers headers;
    std::size_t size = 0;
  };
  /// Queued bytes above which replies wait, and reading stops.
  static constexpr std::size_t high_water = std::size_t{1} << 20;
  static constexpr int most_record_waits = 30;   // about a second

  Connection(const spi::Loop& loop, const LinkSettings& settings);

  // The library's calls.
  static natsStatus attach(void** data, void* loop, natsConnection* handle, natsSock descriptor);
  static natsStatus read_event(void* data, bool add);
  static natsStatus write_event(void* data, bool add);
  static natsStatus detach(void* data);
  static void error_event(natsConnection* handle, natsSubscription* subscription, natsStatus status, void* key);

  void wake();
  void turn();
  void wait_readable();
  void readable();
  void read();
  bool tls_record_is_complete();
  void wait_for_record();
  void count_arrived();
  void wait_writable();
  void flush();
  void count_written();
  natsStatus hand_over(const Outgoing& message);
  void hand_over_held();
  void end_if_handed_over();
  void finish_round_trip(std::uint64_t number, natsStatus status);
  void lose();
  void shut();
  bool may_read() const noexcept { return !held_ && !choked_; }

  const spi::Loop& loop_;
  const bool tls_;
  const std::size_t max_send_bytes_;
  const std::size_t library_bytes_;        // given to the library at a time
  std::uintptr_t key_ = 0;                 // names it to the library's error handler, which may come late
  int descriptor_number_ = -1;             // ours, from `attach` until `open`
  // What lives on the loop is gone once the connection has ended: others may hold the rest longer than the loop lasts.
  std::optional<asio::posix::stream_descriptor> descriptor_;
  natsConnection* handle_ = nullptr;
  Owner* owner_ = nullptr;
  std::string url_;
  std::int64_t max_payload_ = 0;

  std::atomic<bool> ended_{false};
  std::atomic<bool> write_wanted_{false};
  std::mutex wake_mutex_;
  bool wake_posted_ = false;
  bool silent_ = false;                    // nothing is posted any more

  // The loop's.
  std::optional<asio::steady_timer> record_timer_;
  int record_waits_ = 0;
  bool in_turn_ = false;
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool held_ = false;                      // by the owner
  bool choked_ = false;                    // too much is queued to be written
  SpentMessages spent_;
  std::unique_ptr<natsStatistics, void (*)(natsStatistics*)> statistics_{nullptr, &natsStatistics_Destroy};
  std::uint64_t messages_in_ = 0;
  std::uint64_t arrived_ = 0;
  std::vector<std::pair<std::uint64_t, std::function<void(natsStatus)>>> round_trips_;
  std::uint64_t next_round_trip_ = 0;
  std::function<void()> ending_;           // `end_gently` waits until everything was handed to the library
  std::optional<asio::steady_timer> end_timer_;

  // What does not fit into the library's buffer, which it moves with every partial write.
  mutable std::mutex held_mutex_;
  std::deque<Held> held_messages_;
  std::size_t held_bytes_ = 0;
  std::vector<std::function<void()>> writers_;
  std::atomic<std::size_t> queued_{0};     // in the library and here, nearly
  std::atomic<std::size_t> in_library_{0};
  std::uint64_t appended_ = 0;             // both count under held_mutex_
  std::uint64_t written_ = 0;
};

}  // namespace ferry::nats
