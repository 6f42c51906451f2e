#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "ferry/spi/loop.hpp"

namespace ferry::transports {

/// A bounded queue into one loop. Whoever finds the loop idle posts the one wake-up for all that is put until it runs.
///
/// Lifetime: part of an object held by shared_ptr, which a posted wake-up keeps alive.
/// Threads:  any, except where a function says otherwise.
template <class T>
class Mailbox {
 public:
  using Take = std::function<void(T&)>;
  enum class Put : std::uint8_t { taken, full, shut };
  enum class Rank : std::uint8_t {
    message,  ///< refused when full or shut
    control,  ///< refused by a closed mailbox only; what sends these is bounded by itself
    last,     ///< a control after which no message is let in
  };

  Mailbox(const spi::Loop& loop, std::size_t limit) : loop_(loop), limit_(limit) {}

  /// Before anything else. `take` is called on the loop, for one item at a time, in the order they were put.
  void open(std::weak_ptr<void> owner, Take take) {
    owner_ = std::move(owner);
    take_ = std::move(take);
  }

  /// Leaves `item` as it is unless it was taken.
  Put put(T&& item, Rank rank) {
    const std::lock_guard lock(mutex_);
    if (closed_ || (shut_ && rank == Rank::message)) return Put::shut;
    if (rank == Rank::message && waiting_.size() >= limit_) return Put::full;
    shut_ = shut_ || rank == Rank::last;
    waiting_.push_back(std::move(item));
    wake();
    return Put::taken;
  }

  /// How many wait, without those that are being taken.
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

  void set_paused(bool paused) {
    const std::lock_guard lock(mutex_);
    paused_ = paused;
    wake();
  }

  /// On the loop: nothing is taken any more, and nothing let in. Returns what was still waiting.
  std::vector<T> close() {
    std::vector<T> rest;
    for (; next_ < batch_.size(); ++next_) rest.push_back(std::move(batch_[next_]));
    batch_.clear();
    next_ = 0;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (T& item : waiting_) rest.push_back(std::move(item));
    waiting_.clear();
    return rest;
  }

 private:
  /// With the mutex held, so that after `close` nobody posts to a loop that may be gone.
  void wake() {
    if (closed_ || paused_ || awake_ || (waiting_.empty() && left_over_ == 0)) return;
    awake_ = true;
    loop_.post([this, owner = owner_.lock()] { run(); });
  }

  void run() {
    {
      const std::lock_guard lock(mutex_);
      if (!closed_ && next_ == batch_.size()) {
        batch_.clear();
        next_ = 0;
        batch_.swap(waiting_);
      }
    }
    while (next_ < batch_.size() && !paused_) {
      T item = std::move(batch_[next_++]);
      take_(item);   // may pause and may close
    }
    const std::lock_guard lock(mutex_);
    awake_ = false;
    left_over_ = batch_.size() - next_;
    wake();   // one batch a turn: the loop has other work too
  }

  const spi::Loop& loop_;
  const std::size_t limit_;
  std::weak_ptr<void> owner_;
  Take take_;

  std::vector<T> batch_;    // on the loop: what is being taken
  std::size_t next_ = 0;    // and the next of it
  std::atomic<bool> paused_{false};   // written with the mutex held

  mutable std::mutex mutex_;
  std::vector<T> waiting_;
  std::size_t left_over_ = 0;   // of the batch, by a pause
  bool awake_ = false;
  bool shut_ = false;
  bool closed_ = false;
};

}  // namespace ferry::transports
