#include "retries.hpp"

#include <utility>
#include <vector>

#include "backoff.hpp"

namespace ferry::detail {

Retries::Retries(RetrySettings settings, Hooks hooks)
    : settings_(settings), hooks_(std::move(hooks)), random_(std::random_device()()) {}

void Retries::cause(const spi::Delivery& delivery, Cause cause) {
  const std::lock_guard lock(mutex_);
  causes_[&delivery] = std::move(cause);
}

Retries::Cause Retries::take_cause(const spi::Delivery& delivery) {
  const std::lock_guard lock(mutex_);
  const auto node = causes_.extract(&delivery);
  return node ? std::move(node.mapped()) : Cause();
}

bool Retries::draining() const {
  const std::lock_guard lock(mutex_);
  return draining_;
}

void Retries::wait(spi::DeliveryPtr delivery) {
  std::chrono::milliseconds delay{0};
  auto timer = std::make_shared<asio::steady_timer>(delivery->loop().executor());
  {
    const std::lock_guard lock(mutex_);
    delay = backoff(settings_.backoff, settings_.max_backoff, delivery->attempt(), random_);
    waiting_.emplace(delivery.get(), std::pair(delivery, timer));
    if (waiting_.size() == settings_.max_waiting) hooks_.hold_back(true);
  }
  // The timer is touched on its loop only.
  const spi::Loop& loop = delivery->loop();
  loop.post([this, delivery = std::move(delivery), timer, delay]() mutable {
    timer->expires_after(delay);
    if (draining()) return ended(delivery, false);
    timer->async_wait([this, delivery = std::move(delivery), timer](std::error_code error) { ended(delivery, !error); });
  });
}

void Retries::ended(const spi::DeliveryPtr& delivery, bool again) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.erase(delivery.get());
    if (waiting_.size() + 1 == settings_.max_waiting) hooks_.hold_back(false);
    if (again) delivery->tried_again();
  }
  hooks_.over(delivery, again);
}

void Retries::drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  for (const auto& [key, each] : waiting_) each.first->loop().post([timer = each.second] { timer->cancel(); });
}

DeadLetter dead_letter(const spi::DeliveryPtr& delivery, const std::string& route, const std::string& service, std::string cause) {
  constexpr std::size_t shown = 1000;   // brokers limit headers
  if (cause.size() > shown) cause.resize(shown);
  for (char& c : cause) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  DeadLetter letter{Payload::view(delivery), delivery->headers()};
  letter.headers.set("dead-letter-pattern", route);
  letter.headers.set("dead-letter-service", service);
  letter.headers.set("dead-letter-attempts", std::to_string(delivery->attempt()));
  letter.headers.set("dead-letter-time", std::to_string(now.count()));
  letter.headers.set("dead-letter-cause", cause);
  return letter;
}

}  // namespace ferry::detail
