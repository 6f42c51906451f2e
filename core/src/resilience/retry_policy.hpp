#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "../backoff.hpp"
#include "ferry/detail/resilience_settings.hpp"
#include "ferry/error.hpp"

namespace ferry::detail {

/// Whether a call that has failed is tried again, and when. No clock and no random source of its own.
class RetryPolicy {
 public:
  /// A call after one of its attempts.
  struct Call {
    unsigned attempt = 1;       ///< the one that failed, from 1
    unsigned most = 1;          ///< attempts in all
    std::string_view route;
    std::optional<bool> idempotent;   ///< unset: as the settings say of its route
    std::chrono::nanoseconds left{};  ///< until its deadline
  };

  explicit RetryPolicy(CallRetrySettings settings) : settings_(std::move(settings)) {}

  const CallRetrySettings& settings() const noexcept { return settings_; }

  /// The wait before the next attempt; nothing if there is none.
  template <class Random>
  std::optional<std::chrono::milliseconds> retry(const Call& call, const Failure& failure, Random&& random) const {
    if (call.attempt >= call.most || !may_be_repeated(call, failure)) return std::nullopt;
    const std::chrono::milliseconds delay = backoff(settings_.backoff, settings_.max_backoff, call.attempt, random);
    if (delay >= call.left) return std::nullopt;
    return delay;
  }

  /// How long one attempt may take; nothing: as long as the call. A call that could not be repeated after that has all its time.
  std::optional<std::chrono::milliseconds> attempt_limit(const Call& call) const;

 private:
  bool may_be_repeated(const Call& call, const Failure& failure) const;
  bool is_idempotent(const Call& call) const;

  CallRetrySettings settings_;
};

}  // namespace ferry::detail
