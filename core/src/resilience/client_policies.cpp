#include "client_policies.hpp"

#include <utility>

namespace ferry::detail {
namespace {

using Outcome = CircuitBreaker::Outcome;
using CourseStage = Course::Stage;

bool asks_a_service(const Operation& op) {
  return op.kind != Operation::Kind::event && op.kind != Operation::Kind::connect;
}

/// What the end of a request says of its service. An error that a handler answered with came from one that works.
Outcome outcome_of(const Failure* failure) {
  if (failure == nullptr || failure->code == errc::rejected) return Outcome::success;
  // Of a service that has no such handler, or of a broker that has no such service.
  if (failure->code == errc::no_handler) return failure->fate == Fate::not_sent ? Outcome::failure : Outcome::success;
  for (const errc code : {errc::timed_out, errc::not_connected, errc::connection_lost, errc::overloaded}) {
    if (failure->code == code) return Outcome::failure;
  }
  return Outcome::none;
}

void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

ClientPolicies::ClientPolicies(const ClientSettings& settings, ClientCounters& counters, std::uint64_t seed)
    : counters_(counters),
      retry_(settings.resilience.retry),
      budget_(settings.resilience.retry.budget),
      breaker_(settings.resilience.circuit),
      limit_(settings.resilience.limit),
      random_(seed) {}

// ---- beginning -------------------------------------------------------------------------------------------------------

ClientPolicies::Entry ClientPolicies::enter(Operation& op, Time now) {
  Course& course = op.course;
  course.stage = CourseStage::beginning;
  if (asks_a_service(op)) {
    // Before it waits: a call that will be refused anyway should not wait for that.
    if (breaks() && breaker_.refuses(now)) return count(counters_.circuit_refusals), Entry::circuit_open;
    if (limited() && !limit_.enter()) {
      const auto ticket = limit_.wait(op.key);
      if (!ticket) return count(counters_.limit_refusals), Entry::queue_full;
      course.ticket = *ticket;
      course.stage = CourseStage::queued;
      return Entry::wait;
    }
  }
  return go_on(op, now);
}

ClientPolicies::Entry ClientPolicies::go_on(Operation& op, Time now) {
  Course& course = op.course;
  course.stage = CourseStage::beginning;
  course.ticket = 0;
  if (asks_a_service(op)) {
    course.has_place = limited();
    if (breaks()) {
      const auto pass = breaker_.pass(now);
      if (!pass) return count(counters_.circuit_refusals), Entry::circuit_open;
      course.pass = *pass;
    }
  }
  if (course.attempts++ == 0 && attempts(op) > 1) budget_.first_attempt(now);
  course.stage = CourseStage::running;
  return Entry::go;
}

std::string* ClientPolicies::payload_of(Operation& op) {
  if (op.course.attempts >= attempts(op)) return &op.message.payload;
  copy_ = op.message.payload;
  return &copy_;
}

// ---- ending ----------------------------------------------------------------------------------------------------------

void ClientPolicies::answered(Operation& op, Time now) {
  if (const std::uint32_t pass = std::exchange(op.course.pass, 0)) breaker_.end(pass, Outcome::success, now);
}

void ClientPolicies::ended(Operation& op, const Failure* failure, Time now) {
  Course& course = op.course;
  if (const std::uint64_t ticket = std::exchange(course.ticket, 0)) limit_.give_up(ticket);
  if (std::exchange(course.has_place, false)) limit_.leave();
  if (const std::uint32_t pass = std::exchange(course.pass, 0)) breaker_.end(pass, outcome_of(failure), now);
}

// ---- trying again ----------------------------------------------------------------------------------------------------

unsigned ClientPolicies::attempts(const Operation& op) const noexcept {
  // What a duplex has written is gone.
  if (op.kind == Operation::Kind::duplex || op.kind == Operation::Kind::connect) return 1;
  return op.message.attempts != 0 ? op.message.attempts : retry_.settings().attempts;
}

RetryPolicy::Call ClientPolicies::call_of(const Operation& op, Time now) const {
  return {op.course.attempts, attempts(op), op.message.pattern.route(), op.message.idempotent, op.deadline - now};
}

std::optional<std::chrono::milliseconds> ClientPolicies::retry(const Operation& op, const Failure& failure, Time now,
                                                               std::string& detail) {
  // What was refused here has had no attempt that failed; and values that came cannot be taken back.
  if (op.course.stage != CourseStage::running || op.course.answered) return std::nullopt;
  const auto delay = retry_.retry(call_of(op, now), failure, random_);
  if (!delay) return std::nullopt;
  if (!budget_.take(now)) {
    count(counters_.retries_refused);
    detail = "; not tried again: too many calls are (retry.budget)";
    return std::nullopt;
  }
  count(counters_.retries);
  return delay;
}

ClientPolicies::Time ClientPolicies::attempt_deadline(const Operation& op, Time now) const {
  const auto limit = retry_.attempt_limit(call_of(op, now));
  return limit ? std::min(now + *limit, op.deadline) : op.deadline;
}

std::string ClientPolicies::circuit_detail(Circuit before) const {
  const CircuitSettings& settings = breaker_.settings();
  const RecentCounts::Counts& counts = breaker_.counts();
  const auto text = [](std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; };
  switch (breaker_.state()) {
    case Circuit::closed: return "the service answers again";
    case Circuit::half_open: return "asking the service again";
    case Circuit::open: break;
  }
  return (before == Circuit::half_open ? std::string("the service still fails")
                                       : std::to_string(counts.b) + " of " + std::to_string(counts.a + counts.b) +
                                             " calls failed within " + text(settings.window)) +
         "; calls are refused for " + text(settings.open_for);
}

}  // namespace ferry::detail
