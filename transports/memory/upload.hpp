#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"

namespace ferry::memory {

/// The messages of one stream of requests: put by its client, read by its handler one at a time.
///
/// Threads: `put`, `end` and `writable` on the client's loop, the rest on the server's.
class Upload {
 public:
  using Ready = std::function<void(Result<std::optional<std::string>>)>;
  /// Messages that may wait before the client has to.
  static constexpr std::size_t high_water = 64;

  explicit Upload(const spi::Loop& server_loop) : loop_(server_loop) {}

  bool writable() {
    const std::lock_guard lock(mutex_);
    full_ = waiting_.size() >= high_water;
    return !full_;
  }
  void put(std::string message) {
    const std::lock_guard lock(mutex_);
    if (ended_ || over_) return;
    waiting_.push_back(std::move(message));
    answer();
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    answer();
  }

  /// True if its client found it full and may go on.
  bool read(Ready ready) {
    const std::lock_guard lock(mutex_);
    reader_ = std::move(ready);
    answer();
    return waiting_.size() < high_water && std::exchange(full_, false);
  }
  /// Nobody writes any more: what was written is not of interest either.
  void give_up() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    waiting_.clear();
    answer();
  }

 private:
  /// With the mutex held.
  void answer() {
    if (!reader_) return;
    std::optional<std::string> message;
    if (over_) return tell(Failure(errc::cancelled, "the caller of the stream has cancelled, or is gone"));
    if (waiting_.empty() && !ended_) return;
    if (!waiting_.empty()) {
      message = std::move(waiting_.front());
      waiting_.pop_front();
    }
    tell(std::move(message));
  }
  void tell(Result<std::optional<std::string>> what) {
    loop_.post([ready = std::exchange(reader_, nullptr), what = std::move(what)]() mutable { ready(std::move(what)); });
  }

  const spi::Loop& loop_;
  std::mutex mutex_;
  std::deque<std::string> waiting_;
  Ready reader_;        // null: nobody asks
  bool full_ = false;   // its client waits
  bool ended_ = false;
  bool over_ = false;
};

}  // namespace ferry::memory
