#include "circuit_breaker.hpp"

namespace ferry::detail {

void CircuitBreaker::become(Circuit state) {
  state_ = state;
  if (++period_ == 0) period_ = 1;
  probing_ = 0;
  succeeded_ = 0;
  recent_.clear();
}

bool CircuitBreaker::refuses(Time now) const noexcept {
  switch (state_) {
    case Circuit::closed: return false;
    case Circuit::open: return now < open_until_;
    case Circuit::half_open: break;
  }
  return probing_ + succeeded_ >= settings_.probes;
}

std::optional<CircuitBreaker::Pass> CircuitBreaker::pass(Time now) {
  if (refuses(now)) return std::nullopt;
  if (state_ == Circuit::open) become(Circuit::half_open);
  if (state_ == Circuit::half_open) ++probing_;
  return period_;
}

void CircuitBreaker::end(Pass pass, Outcome outcome, Time now) {
  if (pass != period_) return;
  if (state_ == Circuit::half_open) {
    --probing_;
    if (outcome == Outcome::success && ++succeeded_ == settings_.probes) become(Circuit::closed);
    if (outcome == Outcome::failure) open(now);
    return;
  }
  if (outcome == Outcome::none) return;
  outcome == Outcome::success ? recent_.add_a(now) : recent_.add_b(now);
  seen_ = recent_.sum(now);
  const std::uint64_t calls = seen_.a + seen_.b;
  const bool enough = calls >= settings_.minimum_calls;
  if (enough && static_cast<double>(seen_.b) >= settings_.failure_ratio * static_cast<double>(calls)) open(now);
}

void CircuitBreaker::open(Time now) {
  become(Circuit::open);
  open_until_ = now + settings_.open_for;
}

}  // namespace ferry::detail
