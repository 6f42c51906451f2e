#pragma once
// The messages of a service that handlers work on: who may cancel them, and where they end.

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>

#include "ferry/spi/delivery.hpp"
#include "ferry/spi/loop.hpp"

namespace ferry::transports {

class LiveDeliveries;

/// A delivery that its caller may cancel.
///
/// Lifetime: counted; destroyed on the service's loop, wherever the last pointer goes.
class LiveDelivery : public spi::Delivery {
 public:
  /// Its caller may cancel it. On the loop, before anybody else sees it.
  void enlist();

 protected:
  LiveDelivery(std::shared_ptr<LiveDeliveries> live, const spi::Loop& loop, const spi::Serializer& serializer)
      : Delivery(loop, serializer), live_(std::move(live)) {}
  ~LiveDelivery() override = default;

  /// The last reply was made.
  void finished() noexcept { finished_.store(true, std::memory_order_release); }

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

/// Lifetime: shared by the service and its messages.
/// Threads:  the loop, but for what messages do by themselves.
class LiveDeliveries : public std::enable_shared_from_this<LiveDeliveries> {
 public:
  explicit LiveDeliveries(const spi::Loop& loop) : loop_(loop) {}

  /// The caller of the request with this raw id waits no longer.
  void give_up(std::string_view id);
  /// Nothing is posted after this: messages may outlive the loop.
  void close() noexcept;

 private:
  friend class LiveDelivery;
  void add(LiveDelivery& delivery) noexcept;
  void remove(LiveDelivery& delivery) noexcept;
  void bury(LiveDelivery* delivery) noexcept;
  void collect() noexcept;

  const spi::Loop& loop_;
  LiveDelivery* first_ = nullptr;
  std::atomic<bool> closed_{false};     // from here on `mutex_` guards the list, too
  std::mutex mutex_;
  LiveDelivery* graves_ = nullptr;
};

}  // namespace ferry::transports
