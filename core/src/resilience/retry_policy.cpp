#include "retry_policy.hpp"

#include <algorithm>

namespace ferry::detail {

bool RetryPolicy::is_idempotent(const Call& call) const {
  if (call.idempotent) return *call.idempotent;
  return std::any_of(settings_.idempotent.begin(), settings_.idempotent.end(), [&call](std::string_view pattern) {
    if (!pattern.ends_with('*')) return call.route == pattern;
    pattern.remove_suffix(1);
    return call.route.starts_with(pattern);
  });
}

bool RetryPolicy::may_be_repeated(const Call& call, const Failure& failure) const {
  const bool listed = std::any_of(settings_.on.begin(), settings_.on.end(),
                                  [&failure](errc code) { return failure.code == code; });
  if (!listed) return false;
  if (failure.fate == Fate::not_sent) return true;
  // A service that has answered so will answer so again.
  if (failure.code == errc::no_handler) return false;
  return is_idempotent(call);
}

std::optional<std::chrono::milliseconds> RetryPolicy::attempt_limit(const Call& call) const {
  if (settings_.attempt_timeout.count() == 0 || call.most < 2 || !is_idempotent(call)) return std::nullopt;
  return settings_.attempt_timeout;
}

}  // namespace ferry::detail
