#pragma once
// Retries, circuit breaker and limit of one client, as its core asks them. No clock, no socket: time is an argument.

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "circuit_breaker.hpp"
#include "concurrency_limit.hpp"
#include "ferry/detail/client_core.hpp"
#include "retry_budget.hpp"
#include "retry_policy.hpp"

namespace ferry::detail {

/// Events and connections pass circuit breaker and limit: what becomes of them says nothing of the service, only of its broker.
class ClientPolicies {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Entry : std::uint8_t {
    go,            ///< `ended` is due
    wait,          ///< in the queue; `ended` is due here, too, if it is not one of `next_queued` before
    circuit_open,
    queue_full,
  };

  ClientPolicies(const ClientSettings& settings, ClientCounters& counters, std::uint64_t seed);

  /// An attempt of the operation is to begin.
  Entry enter(Operation& operation, Time now);
  /// The key of the next one that waits and may go on, for `go_on`; nothing if none may.
  std::optional<std::uint64_t> next_queued() { return limit_.next(); }
  Entry go_on(Operation& operation, Time now);
  bool someone_may_go_on() const noexcept { return limited() && limit_.someone_may_go_on(); }
  std::size_t queued() const noexcept { return limit_.waiting(); }
  /// A stream's service has sent a value: it works.
  void answered(Operation& operation, Time now);
  /// The attempt has ended, wherever it was: null for success.
  void ended(Operation& operation, const Failure* failure, Time now);

  /// After `ended`: the wait before the next attempt, which is counted; nothing if there is none. `detail` says why, where it
  /// is not plain.
  std::optional<std::chrono::milliseconds> retry(const Operation& operation, const Failure& failure, Time now,
                                                 std::string& detail);
  /// When the attempt that begins now has taken too long.
  Time attempt_deadline(const Operation& operation, Time now) const;
  std::chrono::milliseconds attempt_timeout() const noexcept { return retry_.settings().attempt_timeout; }
  unsigned attempts(const Operation& operation) const noexcept;
  /// What the transport is given, whose contents it may take over: a copy, where the message may be needed again.
  std::string* payload_of(Operation& operation);

  Circuit circuit() const noexcept { return breaker_.state(); }
  /// Why it is not as it was `before`.
  std::string circuit_detail(Circuit before) const;
  const LimitSettings& limit() const noexcept { return limit_.settings(); }

 private:
  bool limited() const noexcept { return limit_.settings().concurrent != 0; }
  bool breaks() const noexcept { return breaker_.settings().enabled; }
  RetryPolicy::Call call_of(const Operation& operation, Time now) const;

  ClientCounters& counters_;
  RetryPolicy retry_;
  RetryBudget budget_;
  CircuitBreaker breaker_;
  ConcurrencyLimit limit_;
  std::mt19937_64 random_;
  std::string copy_;   // of one payload at a time
};

}  // namespace ferry::detail
