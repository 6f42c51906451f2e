#include "transports/common/live_deliveries.hpp"

#include <utility>

namespace ferry::transports {

void LiveDelivery::enlist() { live_->add(*this); }

void LiveDelivery::dispose() noexcept {
  finished();
  const std::shared_ptr<LiveDeliveries> live = live_;
  live->bury(this);
}

void LiveDeliveries::add(LiveDelivery& delivery) noexcept {
  delivery.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &delivery;
  first_ = &delivery;
  delivery.listed_ = true;
}

void LiveDeliveries::remove(LiveDelivery& delivery) noexcept {
  if (!std::exchange(delivery.listed_, false)) return;
  if (delivery.next_ != nullptr) delivery.next_->previous_ = delivery.previous_;
  (delivery.previous_ != nullptr ? delivery.previous_->next_ : first_) = delivery.next_;
}

/// Cancels are rare, and the list is no longer than the handlers that run.
void LiveDeliveries::give_up(std::string_view id) {
  for (LiveDelivery* each = first_; each != nullptr; each = each->next_) {
    if (each->view().id != id) continue;
    remove(*each);
    return each->give_up();   // may end it
  }
}

void LiveDeliveries::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closed_.store(true, std::memory_order_release);
  }
  collect();
}

void LiveDeliveries::bury(LiveDelivery* delivery) noexcept {
  if (!closed_.load(std::memory_order_acquire) && loop_.in_loop()) {
    remove(*delivery);
    delete delivery;
    return;
  }
  const std::lock_guard lock(mutex_);
  if (closed_.load(std::memory_order_relaxed)) {
    remove(*delivery);
    delete delivery;
    return;
  }
  delivery->grave_ = std::exchange(graves_, delivery);
  if (delivery->grave_ == nullptr) loop_.post([self = shared_from_this()] { self->collect(); });
}

void LiveDeliveries::collect() noexcept {
  LiveDelivery* grave = nullptr;
  {
    const std::lock_guard lock(mutex_);
    grave = std::exchange(graves_, nullptr);
  }
  while (grave != nullptr) bury(std::exchange(grave, grave->grave_));
}

}  // namespace ferry::transports
