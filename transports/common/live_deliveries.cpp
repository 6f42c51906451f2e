#include "transports/common/live_deliveries.hpp"

#include <utility>

#include "ferry/detail/clock.hpp"

namespace ferry::transports {

void LiveDelivery::enlist() { live_->add(*this); }

void LiveDelivery::dispose() noexcept {
  finished();
  const std::shared_ptr<LiveDeliveries> live = live_;
  live->bury(this);
}

// --- EarlyCancels ---------------------------------------------------------------------------------------------------

void EarlyCancels::add(std::string_view id, Time now) {
  if (id.size() > longest_id || contains(id, now)) return;
  if (in_order_.size() == most) forget_oldest();
  ids_.insert(in_order_.emplace_back(Cancel{std::string(id), now + lifetime}).id);
}

bool EarlyCancels::contains(std::string_view id, Time now) {
  while (!in_order_.empty() && in_order_.front().forgotten <= now) forget_oldest();
  return !ids_.empty() && ids_.contains(id);
}

void EarlyCancels::forget_oldest() {
  ids_.erase(in_order_.front().id);
  in_order_.pop_front();
}

// --- LiveDeliveries -------------------------------------------------------------------------------------------------

void LiveDeliveries::add(LiveDelivery& delivery) {
  if (early_.contains(delivery.view().id, detail::coarse_now())) return delivery.give_up();
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
LiveDelivery* LiveDeliveries::find(std::string_view id) const noexcept {
  LiveDelivery* each = first_;
  while (each != nullptr && each->view().id != id) each = each->next_;
  return each;
}

/// Overlapping subscriptions may bring one request more than once.
void LiveDeliveries::give_up(std::string_view id) {
  LiveDelivery* delivery = find(id);
  if (delivery == nullptr) return early_.add(id, detail::coarse_now());
  for (; delivery != nullptr; delivery = find(id)) {
    remove(*delivery);
    delivery->give_up();   // may end it, and others
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
  if (!closed() && loop_.in_loop()) {
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
