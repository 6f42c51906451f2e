#include "reconnect.hpp"

#include <algorithm>

namespace ferry::detail {

bool Reconnect::wanted() {
  if (state_ != State::idle) return false;
  state_ = State::connecting;
  return true;
}

void Reconnect::connected() {
  if (state_ == State::closed) return;
  state_ = State::connected;
  failures_ = 0;
}

std::optional<std::chrono::milliseconds> Reconnect::lost() {
  if (state_ == State::closed) return std::nullopt;
  ++failures_;
  if (policy_.attempts >= 0 && failures_ > policy_.attempts) {
    state_ = State::idle;   // the next call starts over
    failures_ = 0;
    return std::nullopt;
  }
  state_ = State::waiting;
  return next_delay();
}

bool Reconnect::due() {
  if (state_ != State::waiting) return false;
  state_ = State::connecting;
  return true;
}

std::chrono::milliseconds Reconnect::next_delay() {
  // Doubling, with "equal jitter": half of it fixed, half random, so that a fleet does not come back in step.
  const auto doublings = std::min<std::int64_t>(failures_ - 1, 20);
  const std::int64_t full = std::min(policy_.backoff.count() << doublings, policy_.max_backoff.count());
  std::uniform_int_distribution<std::int64_t> jitter(full / 2, std::max<std::int64_t>(full, 1));
  return std::chrono::milliseconds(jitter(random_));
}

}  // namespace ferry::detail
