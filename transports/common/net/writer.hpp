#pragma once
// The sending side of a connection: what waits, the gathered writes that send it, and whether it is too much.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "transports/common/net/buffers.hpp"
#include "transports/common/net/wire.hpp"

namespace ferry::net {

/// Threads: the connection's loop, but for `congested`.
class Writer {
 public:
  static constexpr std::size_t most_eager_bytes = 16 * 1024;

  /// `high_water`: bytes from which on it is congested, until half of them are sent; 0: never.
  explicit Writer(std::size_t high_water)
      : high_water_(high_water),
        eager_bytes_(high_water == 0 || high_water > most_eager_bytes ? most_eager_bytes : high_water) {}

  OutQueue& queue() noexcept { return queue_; }
  const OutQueue& queue() const noexcept { return queue_; }

  /// One message more is in the queue. True: together they are enough for the peer to begin with while we go on.
  bool appended() noexcept { return ++untried_ >= eager_messages || queue_.appended() - tried_ >= eager_bytes_; }
  /// Hands the system what it takes, and nothing once a write failed. True: it takes no more now, so `wait_writable` must
  /// be asked for, and `unblock` called when it has come.
  [[nodiscard]] bool write(Wire& wire);
  void unblock() noexcept { blocked_ = false; }
  /// Of the first write that failed.
  const std::error_code& error() const noexcept { return error_; }

  bool congested() const noexcept { return congested_.load(std::memory_order_relaxed); }
  /// Looks at the queue; `congested` tells what it found.
  void judge_congestion() noexcept;

  /// The connection is gone.
  void clear();

 private:
  // Not yet offered to the system, and how much of it does not wait for the end of a batch. bench/: with 256 small requests
  // in flight, 64 a write are twice as fast as one write for all, because both sides work at the same time.
  static constexpr unsigned eager_messages = 64;

  OutQueue queue_;
  const std::size_t high_water_;
  const std::size_t eager_bytes_;
  unsigned untried_ = 0;
  std::uint64_t tried_ = 0;      // bytes since the start
  bool blocked_ = false;
  std::error_code error_;
  std::atomic<bool> congested_{false};
};

}  // namespace ferry::net
