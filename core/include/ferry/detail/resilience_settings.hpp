#pragma once
// What `retry`, `circuit` and `limit` of a client's config say, as plain values.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ferry/error.hpp"

namespace ferry::detail {

struct BudgetSettings {
  double ratio = 0.2;        ///< retries for each first attempt
  double per_second = 10;    ///< and so many more, so that who calls seldom may retry, too
};

struct CallRetrySettings {
  unsigned attempts = 1;     ///< in all, the first one included
  std::chrono::milliseconds backoff{100};   ///< before the second; doubles, with jitter
  std::chrono::milliseconds max_backoff{2000};
  std::chrono::milliseconds attempt_timeout{0};   ///< of each; 0: only the call's own
  std::vector<errc> on{errc::timed_out, errc::not_connected, errc::connection_lost, errc::overloaded, errc::no_handler};
  std::vector<std::string> idempotent = {};   ///< routes; a last `*` stands for any rest
  BudgetSettings budget = {};
};

struct CircuitSettings {
  bool enabled = false;
  double failure_ratio = 0.5;
  std::uint64_t minimum_calls = 20;
  std::chrono::milliseconds window{10000};
  std::chrono::milliseconds open_for{5000};
  std::uint32_t probes = 1;  ///< at once while half-open, and so many must succeed
};

struct LimitSettings {
  std::size_t concurrent = 0;   ///< requests under way; 0: no limit
  std::size_t queue = 1000;     ///< that wait for one of those to end
};

struct ResilienceSettings {
  CallRetrySettings retry = {};
  CircuitSettings circuit = {};
  LimitSettings limit = {};

  bool any() const noexcept { return retry.attempts > 1 || circuit.enabled || limit.concurrent != 0; }
};

}  // namespace ferry::detail
