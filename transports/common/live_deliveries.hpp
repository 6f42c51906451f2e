#pragma once
// The messages of a service that handlers work on: who may cancel them, and where they end.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "ferry/spi/delivery.hpp"
#include "ferry/spi/loop.hpp"

namespace ferry::transports {

class LiveDeliveries;

/// A delivery that its caller may cancel.
///
/// Lifetime: counted; destroyed on the service's loop, wherever the last pointer goes.
class LiveDelivery : public spi::Delivery {
 public:
  /// Its caller may cancel it, and may have done so already. On the loop, before anybody else sees it.
  void enlist();

 protected:
  LiveDelivery(std::shared_ptr<LiveDeliveries> live, const spi::Loop& loop, const spi::Serializer& serializer)
      : Delivery(loop, serializer), live_(std::move(live)) {}
  ~LiveDelivery() override = default;

  /// The last reply was made.
  void finished() noexcept { finished_.store(true, std::memory_order_release); }
  LiveDeliveries& live() const noexcept { return *live_; }

 private:
  friend class LiveDeliveries;
  void dispose() noexcept final;
  void give_up() {
    if (!finished_.load(std::memory_order_acquire)) abandon();
  }

  const std::shared_ptr<LiveDeliveries> live_;
  std::atomic<bool> finished_{false};   // or the last pointer is gone
  LiveDelivery* next_ = nullptr;
  LiveDelivery* previous_ = nullptr;
  LiveDelivery* grave_ = nullptr;       // the next one whose last pointer went on another thread
  bool listed_ = false;
};

/// Cancels whose requests have not come (yet): a broker promises no order between the two. Every service hears the cancels of
/// all clients, so only the latest are kept; and ids return, after millions of requests.
///
/// Threads: one.
class EarlyCancels {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t most = 4096;
  static constexpr std::size_t longest_id = 128;   ///< bytes; ferry's own have less than half
  static constexpr std::chrono::seconds lifetime{60};

  void add(std::string_view id, Time now);
  /// Stays so for a while: a request may come more than once.
  bool contains(std::string_view id, Time now);

 private:
  struct Cancel {
    std::string id;
    Time forgotten;
  };
  void forget_oldest();

  std::deque<Cancel> in_order_;                // an id in it stays where it is
  std::unordered_set<std::string_view> ids_;   // the same
};

/// Lifetime: shared by the service and its messages.
/// Threads:  the loop, but for what messages do by themselves.
class LiveDeliveries : public std::enable_shared_from_this<LiveDeliveries> {
 public:
  explicit LiveDeliveries(const spi::Loop& loop) : loop_(loop) {}
  virtual ~LiveDeliveries() = default;
  LiveDeliveries(const LiveDeliveries&) = delete;
  LiveDeliveries& operator=(const LiveDeliveries&) = delete;

  const spi::Loop& loop() const noexcept { return loop_; }
  /// The caller of the request with this raw id waits no longer.
  void give_up(std::string_view id);
  /// Nothing is posted after this: messages may outlive the loop.
  void close() noexcept;
  /// The loop may be gone.
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

 protected:
  /// From any thread, unless it is closed.
  template <class F>
  void post(F function) {
    const std::lock_guard lock(mutex_);
    if (!closed_.load(std::memory_order_relaxed)) loop_.post(std::move(function));
  }

 private:
  friend class LiveDelivery;
  void add(LiveDelivery& delivery);
  LiveDelivery* find(std::string_view id) const noexcept;
  void remove(LiveDelivery& delivery) noexcept;
  void bury(LiveDelivery* delivery) noexcept;
  void collect() noexcept;

  const spi::Loop& loop_;
  EarlyCancels early_;
  LiveDelivery* first_ = nullptr;
  std::atomic<bool> closed_{false};     // from here on `mutex_` guards the list, too
  std::mutex mutex_;
  LiveDelivery* graves_ = nullptr;
};

}  // namespace ferry::transports
