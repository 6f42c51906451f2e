#include "reconnect.hpp"

#include "backoff.hpp"

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

std::chrono::milliseconds Reconnect::next_delay() { return backoff(policy_.backoff, policy_.max_backoff, failures_, random_); }

}  // namespace ferry::detail
