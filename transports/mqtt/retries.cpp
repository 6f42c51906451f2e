#include "transports/mqtt/retries.hpp"

#include <utility>

namespace ferry::mqtt {

void Retries::add(Message message, std::chrono::milliseconds delay) {
  waiting_.emplace(Clock::now() + delay, std::move(message));
  arm();
}

void Retries::hold(bool held) {
  held_ = held;
  arm();
}

void Retries::clear() {
  waiting_.clear();
  if (timer_) std::exchange(timer_, nullptr)->cancel();
}

void Retries::arm() {
  if (timer_) std::exchange(timer_, nullptr)->cancel();
  if (held_ || waiting_.empty()) return;
  timer_ = std::make_shared<asio::steady_timer>(loop_.executor(), waiting_.begin()->first);
  timer_->async_wait([this, timer = std::weak_ptr(timer_)](const std::error_code& cancelled) {
    if (!cancelled && !timer.expired()) run();
  });
}

void Retries::run() {
  const auto now = Clock::now();
  while (!held_ && !waiting_.empty() && waiting_.begin()->first <= now) {
    Message message = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    again_(std::move(message));
  }
  arm();
}

}  // namespace ferry::mqtt
