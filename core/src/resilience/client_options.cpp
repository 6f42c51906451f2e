#include "client_options.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "ferry/pattern.hpp"

namespace ferry::detail {
namespace {

using spi::Options;

errc error_named(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, errc>, 7> names{{
      {"timed_out", errc::timed_out},
      {"not_connected", errc::not_connected},
      {"connection_lost", errc::connection_lost},
      {"overloaded", errc::overloaded},
      {"no_handler", errc::no_handler},
      {"rejected", errc::rejected},
      {"transport_failure", errc::transport_failure},
  }};
  return std::find_if(names.begin(), names.end(), [name](const auto& each) { return each.first == name; })->second;
}

/// As a pattern's route, so that `{"cmd":"get"}` may be written with its members in any order.
std::string route_of(const std::string& pattern) {
  if (pattern.ends_with('*')) return pattern;
  Route route = lookup_key(pattern);
  return route.ok ? std::move(route.text) : pattern;
}

CallRetrySettings read_retry(const Options& client, std::chrono::milliseconds timeout) {
  const Options options = client.object("retry");
  CallRetrySettings retry;
  retry.attempts = static_cast<unsigned>(options.integer("attempts"));
  retry.backoff = options.duration("backoff");
  retry.max_backoff = options.duration("maxBackoff");
  if (retry.max_backoff < retry.backoff) {
    if (options.given("maxBackoff")) {
      spi::config_error(options.place("maxBackoff"), "shorter than backoff", "give it at least the length of backoff");
    }
    retry.max_backoff = retry.backoff;
  }
  if (options.has("attemptTimeout")) {
    retry.attempt_timeout = options.duration("attemptTimeout");
    if (retry.attempt_timeout >= timeout) {
      spi::config_error(options.place("attemptTimeout"), "not shorter than the client's timeout, so that no time is left to try again",
                        "make it shorter, or timeout longer");
    }
  }
  retry.on.clear();
  for (const std::string& name : options.strings("on")) retry.on.push_back(error_named(name));
  for (const std::string& pattern : options.strings("idempotent")) retry.idempotent.push_back(route_of(pattern));
  const Options budget = options.object("budget");
  retry.budget = {budget.number("ratio"), budget.number("perSecond")};
  if (retry.attempts > 1 && retry.budget.ratio == 0 && retry.budget.per_second == 0) {
    spi::config_error(options.place("budget"), "allows no retry at all", "give ratio or perSecond, or leave out retry");
  }
  return retry;
}

CircuitSettings read_circuit(const Options& client) {
  const Options options = client.object("circuit");
  CircuitSettings circuit;
  circuit.enabled = true;
  circuit.failure_ratio = options.number("failureRatio");
  if (circuit.failure_ratio <= 0) {
    spi::config_error(options.place("failureRatio"), "found 0", "it would open on the first success; give a part, such as 0.5");
  }
  circuit.minimum_calls = static_cast<std::uint64_t>(options.integer("minimumCalls"));
  circuit.window = options.duration("window");
  circuit.open_for = options.duration("openFor");
  circuit.probes = static_cast<std::uint32_t>(options.integer("probes"));
  return circuit;
}

LimitSettings read_limit(const Options& client, std::size_t max_in_flight) {
  const Options options = client.object("limit");
  LimitSettings limit{static_cast<std::size_t>(options.integer("concurrent")),
                      static_cast<std::size_t>(options.integer("queue"))};
  if (limit.concurrent + limit.queue > max_in_flight) {
    spi::config_error(options.place(), "concurrent and queue are more together than maxInFlight (" +
                                           std::to_string(max_in_flight) + "), which would refuse them first",
                      "make them smaller, or maxInFlight larger");
  }
  return limit;
}

}  // namespace

ResilienceSettings read_resilience(const Options& client, const ClientSettings& settings) {
  ResilienceSettings resilience;
  if (client.given("retry")) resilience.retry = read_retry(client, settings.timeout);
  if (client.given("circuit")) resilience.circuit = read_circuit(client);
  if (client.given("limit")) resilience.limit = read_limit(client, settings.max_in_flight);
  return resilience;
}

}  // namespace ferry::detail
