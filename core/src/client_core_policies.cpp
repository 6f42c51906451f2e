// Retries, circuit breaker, limit: what stands between the end of an attempt and that of its call.

#include "client_core_state.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ferry/detail/clock.hpp"
#include "ferry/log.hpp"

namespace ferry::detail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view refused_by_circuit = "the circuit is open, for too many calls have failed";

/// What the peer may have seen of a call whose attempts had these.
Fate of_both(Fate before, Fate last) {
  if (before == Fate::unknown || last == Fate::unknown) return Fate::unknown;
  return before == Fate::not_sent ? last : Fate::confirmed;
}

}  // namespace

/// An attempt is to begin: the first or another.
void ClientCore::enter(Operation& op, bool inside_call) {
  ClientPolicies& policies = *state_->policies;
  const ClientPolicies::Entry entry = policies.enter(op, coarse_now());
  circuit_may_have_changed();
  switch (entry) {
    case ClientPolicies::Entry::go: return dispatch(op, inside_call);
    case ClientPolicies::Entry::wait: return;
    case ClientPolicies::Entry::circuit_open:
      return fail(op, errc::circuit_open, refused_by_circuit, Fate::not_sent, inside_call);
    case ClientPolicies::Entry::queue_full: break;
  }
  fail(op, errc::overloaded, std::to_string(policies.limit().concurrent) + " requests are under way and " +
                                 std::to_string(policies.limit().queue) + " wait (limit)", Fate::not_sent, inside_call);
}

/// Those that waited for a place. Not from inside what has made one, which may be a call of the user's.
void ClientCore::admit_queued() {
  State& s = *state_;
  s.admission_posted = false;
  if (s.closing) return;
  for (std::size_t most = s.policies->queued(); most > 0; --most) {   // those that join meanwhile have the next turn
    const auto key = s.policies->next_queued();
    if (!key) return;
    const OperationPtr op(s.table.find(*key));
    const ClientPolicies::Entry entry = s.policies->go_on(*op.get(), coarse_now());
    circuit_may_have_changed();
    if (entry == ClientPolicies::Entry::go) {
      dispatch(*op.get(), false);
    } else {
      fail(*op.get(), errc::circuit_open, refused_by_circuit, Fate::not_sent);
    }
  }
}

/// Its attempt has ended, with a failure unless null. True: there will be another, so that it is still under way.
bool ClientCore::tried_again(Operation& op, Failure* failure) {
  State& s = *state_;
  s.policies->ended(op, failure, coarse_now());
  circuit_may_have_changed();
  if (s.policies->someone_may_go_on() && !std::exchange(s.admission_posted, true)) {
    loop_.post([self = shared_from_this()] { self->admit_queued(); });
  }
  if (failure == nullptr) return false;
  failure->fate = of_both(op.course.past, failure->fate);
  const auto now = Clock::now();
  std::string detail;
  const auto delay = s.closing ? std::nullopt : s.policies->retry(op, *failure, now, detail);
  if (!delay) {
    if (op.course.attempts > 1 && !failure->detail.empty()) {
      failure->detail += " (attempt " + std::to_string(op.course.attempts) + " of " +
                         std::to_string(s.policies->attempts(op)) + ")";
    }
    if (!failure->detail.empty()) failure->detail += detail;
    return false;
  }
  op.course.past = failure->fate;
  op.course.stage = Course::Stage::backing_off;
  op.transmitted = false;
  // Another key: what still comes for the attempt that failed belongs to nobody.
  s.table.remove(op.key);
  op.key = *s.table.add(&op, now + *delay);
  arm_deadline();
  return true;
}

void ClientCore::circuit_may_have_changed() {
  const Circuit now = state_->policies->circuit();
  const Circuit before = circuit_.exchange(now, std::memory_order_relaxed);
  if (now == before) return;
  const CircuitEvent event{now, state_->policies->circuit_detail(before)};
  if (now == Circuit::open) counters_.circuit_openings.fetch_add(1, std::memory_order_relaxed);
  const LogLevel level = before == Circuit::closed ? LogLevel::warn : LogLevel::info;
  log(level, "client " + settings_.name, "circuit " + std::string(to_string(now)) + ": " + event.detail);
  std::vector<CircuitHandler> handlers;
  {
    const std::lock_guard lock(state_->mutex);
    handlers = state_->circuit_handlers;
  }
  if (handlers.empty()) return;
  loop_.post([handlers = std::move(handlers), event] {   // not inside the call that was refused, or ended
    for (const CircuitHandler& handler : handlers) handler(event);
  });
}

}  // namespace ferry::detail
