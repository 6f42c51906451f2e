#pragma once
// `retry`, `circuit` and `limit` of a client's config.

#include <limits>

#include "ferry/detail/client_core.hpp"
#include "ferry/spi/options.hpp"

namespace ferry::detail {

inline constexpr spi::Option budget_options[] = {
    {"ratio", spi::OptionKind::number, "0.2", "retries for each first attempt, of the last 10 seconds", 0, 10},
    {"perSecond", spi::OptionKind::number, "10", "retries a second beside those, so that who calls seldom has some", 0, 1000000},
};

inline constexpr spi::Option call_retry_options[] = {
    {"attempts", spi::OptionKind::integer, "3", "attempts in all, the first one included", 1, 100},
    {"backoff", spi::OptionKind::duration, "\"100ms\"", "the wait before the second; doubles, with jitter", 1},
    {"maxBackoff", spi::OptionKind::duration, "\"2s\"", "the longest wait", 1},
    {"attemptTimeout", spi::OptionKind::duration, "",
     "how long an attempt of an idempotent call may take; unless given: as long as the call", 1},
    {"on", spi::OptionKind::strings,
     R"(["timed_out", "not_connected", "connection_lost", "overloaded", "no_handler"])",
     "the errors after which it is tried again; no_handler: when the broker says that nobody is there; rejected: when the "
     "handler answered with an error",
     std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
     "timed_out|not_connected|connection_lost|overloaded|no_handler|rejected|transport_failure"},
    {"idempotent", spi::OptionKind::strings, "[]",
     "patterns that may be handled more than once, and so be sent again after the service may have had them; a last * stands "
     "for any rest"},
    {"budget", spi::OptionKind::object, "", "how many retries there may be, so that they cannot multiply the load",
     std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(), "", budget_options},
};

inline constexpr spi::Option circuit_options[] = {
    {"failureRatio", spi::OptionKind::number, "0.5", "the part of the requests whose failing opens it, above 0", 0, 1},
    {"minimumCalls", spi::OptionKind::integer, "20", "it never opens on fewer within the window", 1, 1000000000},
    {"window", spi::OptionKind::duration, "\"10s\"", "the time looked back on, in slices of a tenth", 10, 86400000},
    {"openFor", spi::OptionKind::duration, "\"5s\"", "how long everything is refused, before some are let through to see", 1},
    {"probes", spi::OptionKind::integer, "1", "so many are let through then, and all must succeed", 1, 1000000},
};

inline constexpr spi::Option limit_options[] = {
    {"concurrent", spi::OptionKind::integer, "", "requests and streams under way at once", 1,
     std::numeric_limits<std::int64_t>::max(), "", {}, true},
    {"queue", spi::OptionKind::integer, "1000", "those that wait in order, within their deadlines; more are refused", 0,
     1000000},
};

/// From a client's own options, of which `settings` has `timeout` and `maxInFlight`. Throws `ConfigError`.
ResilienceSettings read_resilience(const spi::Options& client, const ClientSettings& settings);

}  // namespace ferry::detail
