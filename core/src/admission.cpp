#include "admission.hpp"

#include <utility>

namespace ferry::detail {

using Clock = std::chrono::steady_clock;

Admission::Admission(AdmissionSettings settings, spi::Loop& loop, Hooks hooks)
    : settings_(std::move(settings)), loop_(loop), hooks_(std::move(hooks)) {
  if (settings_.least_concurrency != 0) adaptive_.emplace(settings_.least_concurrency, settings_.max_concurrency);
  if (settings_.rate) bucket_.emplace(settings_.rate->messages, settings_.rate->per, settings_.rate->burst, Clock::now());
}

std::size_t Admission::limit() const noexcept {
  if (adaptive_) return adaptive_->limit();
  return settings_.max_concurrency == 0 ? static_cast<std::size_t>(-1) : settings_.max_concurrency;
}

/// Empty: it has none, and waits for nobody.
std::optional<std::string> Admission::key_of(const spi::Delivery& delivery) const {
  if (!settings_.order_by || !delivery.view().has_payload) return std::nullopt;
  const auto payload = delivery.serializer().decode(delivery.view().payload);
  if (!payload || !payload->contains(*settings_.order_by)) return std::nullopt;
  return payload->at(*settings_.order_by).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool Admission::admit(spi::DeliveryPtr delivery) {
  auto key = key_of(*delivery);
  std::unique_lock lock(mutex_);
  if (key && left_.contains(*key)) return false;
  Place& place = places_[delivery.get()];
  if (key) {
    place.ordered = true;
    place.key = std::move(*key);
    auto first = keys_.enter(place.key, std::move(delivery));
    if (!first) return true;
    delivery = std::move(*first);
  }
  const spi::Delivery* own = delivery.get();
  queue_.push_back(std::move(delivery));
  Ready ready = pump();
  lock.unlock();
  start(std::move(ready), own);
  return true;
}

void Admission::stopped(Place& place) {
  if (!std::exchange(place.running, false)) return;
  --running_;
  if (adaptive_ && place.with != 0) adaptive_->ended(Clock::now() - place.since, place.with);
}

void Admission::pause(const spi::Delivery& delivery) {
  std::unique_lock lock(mutex_);
  const auto found = places_.find(&delivery);
  if (found == places_.end()) return;
  stopped(found->second);
  Ready ready = pump();
  lock.unlock();
  start(std::move(ready));
}

void Admission::resume(spi::DeliveryPtr delivery) {
  std::unique_lock lock(mutex_);
  queue_.push_front(std::move(delivery));   // it has waited
  Ready ready = pump();
  lock.unlock();
  start(std::move(ready));
}

void Admission::skipped(const spi::Delivery& delivery) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(&delivery);
  if (found != places_.end()) found->second.with = 0;
}

void Admission::finished(const spi::Delivery& delivery) {
  std::unique_lock lock(mutex_);
  const auto found = places_.find(&delivery);
  if (found == places_.end()) return;
  stopped(found->second);
  if (found->second.ordered) {
    if (auto next = keys_.done(found->second.key)) queue_.push_back(std::move(*next));
  }
  places_.erase(found);
  Ready ready = pump();
  lock.unlock();
  start(std::move(ready));
}

std::deque<spi::DeliveryPtr> Admission::leave(const spi::Delivery& delivery) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(&delivery);
  if (found == places_.end() || !std::exchange(found->second.ordered, false)) return {};
  std::deque<spi::DeliveryPtr> behind = keys_.leave(found->second.key);
  for (const spi::DeliveryPtr& each : behind) places_[each.get()].ordered = false;
  left_.insert(found->second.key);
  return behind;
}

void Admission::drain() {
  std::unique_lock lock(mutex_);
  draining_ = true;
  Ready ready = pump();
  lock.unlock();
  start(std::move(ready));
}

/// Those that may run now.
Admission::Ready Admission::pump() {
  Ready ready;
  const auto now = bucket_ || adaptive_ ? Clock::now() : Clock::time_point();
  while (!queue_.empty() && running_ < limit()) {
    if (bucket_ && !draining_ && !bucket_->take(now)) {
      arm(bucket_->next());
      break;
    }
    ++running_;
    Place& place = places_[queue_.front().get()];
    place.running = true;
    place.since = now;
    place.with = running_;
    ready.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  const bool hold = !queue_.empty() && !draining_;
  if (std::exchange(held_back_, hold) != hold) hooks_.hold_back(hold);
  return ready;
}

/// Others than `own` by way of their loops: whoever makes room for many must not have all of them on his stack.
void Admission::start(Ready ready, const spi::Delivery* own) {
  for (spi::DeliveryPtr& each : ready) {
    if (each.get() == own) {
      hooks_.start(std::move(each));
    } else {
      const spi::Loop& loop = each->loop();
      loop.post([this, each = std::move(each)]() mutable { hooks_.start(std::move(each)); });
    }
  }
}

void Admission::arm(Clock::time_point when) {
  if (std::exchange(armed_, true)) return;
  loop_.post([this, when] {
    timer_ = std::make_unique<asio::steady_timer>(loop_.executor(), when);
    timer_->async_wait([this](std::error_code error) {
      if (error) return;
      std::unique_lock lock(mutex_);
      armed_ = false;
      Ready ready = pump();
      lock.unlock();
      start(std::move(ready));
    });
  });
}

}  // namespace ferry::detail
