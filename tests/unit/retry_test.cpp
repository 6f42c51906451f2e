// What is tried again, when, and how often at most. Time is virtual.

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "catch.hpp"
#include "resilience/retry_budget.hpp"
#include "resilience/retry_policy.hpp"

using namespace ferry;
using namespace ferry::detail;
using namespace std::chrono_literals;
using Time = RetryBudget::Time;

namespace {

constexpr Time beginning = Time(1000h);

Failure failure(errc code, Fate fate) { return Failure(code, "", fate); }

RetryPolicy::Call call_of(unsigned attempt, std::optional<bool> idempotent = {}, std::chrono::nanoseconds left = 1h) {
  return {attempt, 10, "orders.create", idempotent, left};
}

}  // namespace

TEST_CASE("retry: only what is listed, and only what may be repeated") {
  std::mt19937_64 random(1);
  const RetryPolicy policy(CallRetrySettings{.idempotent = {"orders.get", "stock.*"}});
  const auto retried = [&](errc code, Fate fate, std::string_view route, std::optional<bool> idempotent = {}) {
    return policy.retry({1, 3, route, idempotent, 1h}, failure(code, fate), random).has_value();
  };
  for (const errc code : {errc::timed_out, errc::not_connected, errc::connection_lost, errc::overloaded}) {
    CHECK(retried(code, Fate::not_sent, "orders.create"));
    CHECK_FALSE(retried(code, Fate::unknown, "orders.create"));
    CHECK_FALSE(retried(code, Fate::confirmed, "orders.create"));
    CHECK(retried(code, Fate::unknown, "orders.create", true));
    CHECK(retried(code, Fate::unknown, "orders.get"));
    CHECK(retried(code, Fate::unknown, "stock.take"));
    CHECK_FALSE(retried(code, Fate::unknown, "stock"));
    CHECK_FALSE(retried(code, Fate::unknown, "orders.get", false));
  }
  CHECK(retried(errc::no_handler, Fate::not_sent, "orders.create"));
  CHECK_FALSE(retried(errc::no_handler, Fate::confirmed, "orders.get"));
  for (const errc code : {errc::rejected, errc::cancelled, errc::closed, errc::circuit_open, errc::bad_payload, errc::unsupported}) {
    CHECK_FALSE(retried(code, Fate::not_sent, "orders.get"));
  }
  const RetryPolicy listed(CallRetrySettings{.on = {errc::rejected}});
  CHECK(listed.retry(call_of(1, true), failure(errc::rejected, Fate::confirmed), random));
  CHECK_FALSE(listed.retry(call_of(1), failure(errc::rejected, Fate::confirmed), random));
}

TEST_CASE("retry: the wait doubles up to the longest, between half and whole of that") {
  const RetryPolicy policy(CallRetrySettings{.backoff = 100ms, .max_backoff = 1s});
  auto full = 100ms;
  for (unsigned attempt = 1; attempt < 10; ++attempt) {
    const auto least = [] { return std::uint64_t{0}; };
    const auto most = [&full] { return static_cast<std::uint64_t>((full - full / 2).count()); };
    CHECK(policy.retry(call_of(attempt), failure(errc::overloaded, Fate::not_sent), least) == full / 2);
    CHECK(policy.retry(call_of(attempt), failure(errc::overloaded, Fate::not_sent), most) == full);
    full = std::min(2 * full, std::chrono::milliseconds(1000));
  }
}

TEST_CASE("retry: never past the deadline, never beyond the attempts") {
  const auto seed = Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int run = 0; run < 20000; ++run) {
    const auto most = static_cast<unsigned>(random() % 8 + 1);
    const std::chrono::milliseconds first(random() % 500 + 1);
    const RetryPolicy policy(CallRetrySettings{.backoff = first, .max_backoff = first * static_cast<int>(random() % 20 + 1)});
    const auto limit = std::chrono::milliseconds(random() % 5000);
    std::chrono::nanoseconds now{};
    unsigned attempt = 1;
    while (const auto wait = policy.retry({attempt, most, "x", {}, limit - now}, failure(errc::not_connected, Fate::not_sent), random)) {
      now += *wait + std::chrono::milliseconds(random() % 100);   // ... and the attempt itself takes time
      REQUIRE(now - std::chrono::milliseconds(100) < limit);
      ++attempt;
    }
    REQUIRE(attempt <= most);
  }
}

TEST_CASE("retry: an attempt is cut short only where another may follow") {
  const RetryPolicy policy(CallRetrySettings{.attempt_timeout = 50ms, .idempotent = {"orders.get"}});
  CHECK(policy.attempt_limit({1, 3, "orders.get", {}, 1s}) == 50ms);
  CHECK(policy.attempt_limit({3, 3, "orders.get", {}, 1s}) == 50ms);
  CHECK(policy.attempt_limit({1, 3, "orders.create", true, 1s}) == 50ms);
  CHECK_FALSE(policy.attempt_limit({1, 3, "orders.create", {}, 1s}));
  CHECK_FALSE(policy.attempt_limit({1, 1, "orders.get", {}, 1s}));
  CHECK_FALSE(RetryPolicy(CallRetrySettings{}).attempt_limit({1, 3, "orders.get", true, 1s}));
}

// Whichever span of time is looked at: no more retries than the ratio of the first attempts in it and in the ten seconds before
// it, beside the floor. And none is refused that the time looked back on, nine seconds and the one under way, has room for.
TEST_CASE("retry budget: retries cannot multiply the load, in any span of time, for thousands of seeds") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const BudgetSettings settings{static_cast<double>(random() % 10) / 10, static_cast<double>(random() % 3)};
    RetryBudget budget(settings);
    std::vector<Time> firsts, retries;
    Time now = beginning + std::chrono::nanoseconds(random() % 1000000000);
    const auto within = [](const std::vector<Time>& times, Time after, Time until) {
      return static_cast<double>(std::upper_bound(times.begin(), times.end(), until) -
                                 std::upper_bound(times.begin(), times.end(), after));
    };
    const std::uint64_t pace = random() % 400 + 1;   // milliseconds between events, at most
    for (int step = 0; step < 150; ++step) {
      now += std::chrono::microseconds(random() % (pace * 1000));
      if (random() % 3 == 0) {
        budget.first_attempt(now);
        firsts.push_back(now);
        continue;
      }
      const double floor = 10 * settings.per_second;
      const bool room = within(retries, now - 10s, now) + 1 <= settings.ratio * within(firsts, now - 9s, now) + floor;
      if (budget.take(now)) {
        retries.push_back(now);
      } else {
        REQUIRE_FALSE(room);
      }
    }
    for (std::size_t from = 0; from < retries.size(); ++from) {
      for (std::size_t to = from; to < retries.size(); ++to) {
        const std::chrono::duration<double> span = retries[to] - retries[from];
        const double most = settings.ratio * within(firsts, retries[from] - 10s, retries[to]) +
                            10 * settings.per_second * (std::floor(span.count() / 9) + 1);
        if (static_cast<double>(to - from + 1) > most) FAIL(to - from + 1 << " retries in " << span.count() << " s, not " << most);
      }
    }
  }
}

TEST_CASE("retry budget: a service that always fails gets a fifth more, not three times as much") {
  RetryBudget budget(BudgetSettings{0.2, 0});
  Time now = beginning;
  int retries = 0;
  for (int call = 0; call < 100000; ++call, now += 1ms) {
    budget.first_attempt(now);
    for (int more = 0; more < 2; ++more) retries += budget.take(now) ? 1 : 0;
  }
  CHECK(retries >= 19000);
  CHECK(retries <= 20000);
}
