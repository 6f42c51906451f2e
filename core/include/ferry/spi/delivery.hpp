#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/spi/loop.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry {
class TransportContext;
}

namespace ferry::spi {

enum class Settlement : std::uint8_t {
  ack,          ///< handled
  requeue,      ///< to be delivered again, as far as the transport's limit of deliveries allows; past it, dead-lettered
  reject,       ///< never again
  dead_letter,  ///< never again, but kept where the transport has such a place
};

/// One message a service received: what it says, and the ways to answer and to settle it.
///
/// Lifetime: counted by `DeliveryPtr`; the views stay valid as long as it lives. The transport decides where it is
///           allocated (`dispose`). The last pointer may go on any thread.
/// Threads:  the views are read-only. `reply` and `settle` may be called from any thread, by one caller at a time.
class Delivery {
 public:
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  const RequestView& view() const noexcept { return view_; }
  bool expects_reply() const noexcept { return view_.has_id; }
  const Serializer& serializer() const noexcept { return *serializer_; }
  const Loop& loop() const noexcept { return *loop_; }
  /// The caller's deadline, if it told one. Past it nobody waits for the reply.
  std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept { return deadline_; }

  /// Decoded each time it is called: keep the result.
  virtual Headers headers() const { return view_.headers.empty() ? Headers() : serializer_->read_headers(view_.headers); }

  /// Sends one packet of the reply. `payload` is in the serializer's format; its contents may be taken over. After
  /// `last_item`, `end`, `error` or `no_handler` no other may follow. Replies to a peer that is gone are dropped.
  virtual void reply(ReplyKind kind, std::string& payload) = 0;
  /// Tells the broker what became of the message. Called exactly once by core, or by a handler that takes over.
  virtual void settle(Settlement outcome) { static_cast<void>(outcome); }

  /// How often it was delivered, this time included, as far as the broker counts.
  virtual std::uint32_t deliveries() const noexcept { return 1; }
  /// How often its handler was called, this time included: here, and as far as the broker counts, elsewhere.
  std::uint32_t attempt() const noexcept { return deliveries() + retries_.load(std::memory_order_relaxed); }
  /// Core's: it is handled again, without having been settled.
  void tried_again() noexcept { retries_.fetch_add(1, std::memory_order_relaxed); }

  /// Whether a request, too, can be settled `requeue`, before anything was replied.
  virtual bool can_be_requeued() const noexcept { return false; }

  /// Asks for the next message of a stream of requests (`Capabilities::request_streams`), in the serializer's format. On the
  /// loop, and not again before `ready` was called: once, on the loop, with a message, with nothing at the stream's end, or
  /// with what ended it. May let go of it uncalled once the reply has ended.
  virtual void read(std::function<void(Result<std::optional<std::string>>)> ready) {
    loop_->post([ready = std::move(ready)] { ready(std::optional<std::string>()); });
  }

  /// False while so much is queued for the peer that a stream of replies should wait.
  virtual bool writable() const { return true; }
  /// Calls `ready` once, on the loop: when it is writable again, or when the peer is gone.
  virtual void when_writable(std::function<void()> ready) { loop_->post(std::move(ready)); }
  /// True once nobody waits for the reply any more: the caller cancelled, or its connection is gone.
  bool abandoned() const noexcept { return abandoned_.load(std::memory_order_acquire); }
  /// Core's hook, set and called on the loop: the caller cancelled, or its connection is gone.
  void on_abandoned(std::function<void()> hook) {
    abandoned_hook_ = std::move(hook);
    if (abandoned() && abandoned_hook_) std::exchange(abandoned_hook_, nullptr)();
  }
  /// The transport's own context (`TcpContext` …), valid as long as this delivery; null if it has none.
  virtual TransportContext* context() noexcept { return nullptr; }

 protected:
  Delivery(const Loop& loop, const Serializer& serializer) : loop_(&loop), serializer_(&serializer) {}
  virtual ~Delivery() = default;
  virtual void dispose() noexcept = 0;   ///< the last pointer went

  /// For the transport, on the loop.
  void abandon() {
    if (abandoned_.exchange(true, std::memory_order_acq_rel)) return;
    if (abandoned_hook_) std::exchange(abandoned_hook_, nullptr)();
  }

  RequestView view_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;

 private:
  friend class DeliveryPtr;

  const Loop* loop_;
  const Serializer* serializer_;
  std::atomic<std::uint32_t> references_{0};
  std::atomic<bool> abandoned_{false};
  std::atomic<std::uint32_t> retries_{0};
  std::function<void()> abandoned_hook_;
};

/// Shares a delivery.
class DeliveryPtr {
 public:
  DeliveryPtr() = default;
  explicit DeliveryPtr(Delivery* delivery) noexcept : delivery_(delivery) { acquire(); }
  DeliveryPtr(const DeliveryPtr& other) noexcept : delivery_(other.delivery_) { acquire(); }
  DeliveryPtr(DeliveryPtr&& other) noexcept : delivery_(std::exchange(other.delivery_, nullptr)) {}
  DeliveryPtr& operator=(DeliveryPtr other) noexcept {
    std::swap(delivery_, other.delivery_);
    return *this;
  }
  ~DeliveryPtr() {
    if (delivery_ != nullptr && delivery_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delivery_->dispose();
  }

  Delivery* get() const noexcept { return delivery_; }
  Delivery* operator->() const noexcept { return delivery_; }
  Delivery& operator*() const noexcept { return *delivery_; }
  explicit operator bool() const noexcept { return delivery_ != nullptr; }

 private:
  void acquire() noexcept {
    if (delivery_ != nullptr) delivery_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  Delivery* delivery_ = nullptr;
};

}  // namespace ferry::spi
