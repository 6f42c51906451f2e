// The circuit breaker on a virtual clock, against a model that remembers everything, for thousands of seeds.

#include <deque>
#include <random>
#include <vector>

#include "catch.hpp"
#include "resilience/circuit_breaker.hpp"

using namespace ferry;
using namespace ferry::detail;
using namespace std::chrono_literals;
using Outcome = CircuitBreaker::Outcome;
using Time = CircuitBreaker::Time;

namespace {

constexpr Time beginning = Time(1000h);

CircuitSettings settings(double ratio, std::uint64_t minimum, std::uint32_t probes = 1) {
  return {true, ratio, minimum, 1000ms, 500ms, probes};
}

/// Ends a call that must be let through.
void one(CircuitBreaker& breaker, Outcome outcome, Time now) {
  const auto pass = breaker.pass(now);
  REQUIRE(pass);
  breaker.end(*pass, outcome, now);
}

/// What the window says, of outcomes with their times.
struct Model {
  explicit Model(const CircuitSettings& s) : settings(s), slice(std::chrono::nanoseconds(s.window) / RecentCounts::slices) {}

  std::int64_t slice_of(Time time) const { return time.time_since_epoch() / slice; }
  bool opens(Time now) {
    std::uint64_t failures = 0, calls = 0;
    for (const auto& [time, failed] : outcomes) {
      if (slice_of(time) <= slice_of(now) - RecentCounts::slices) continue;
      ++calls;
      failures += failed ? 1 : 0;
    }
    return calls >= settings.minimum_calls && static_cast<double>(failures) >= settings.failure_ratio * static_cast<double>(calls);
  }

  CircuitSettings settings;
  std::chrono::nanoseconds slice;
  std::vector<std::pair<Time, bool>> outcomes;   // since it was last closed
};

}  // namespace

TEST_CASE("recent counts: what is older than the window is forgotten, slice by slice") {
  RecentCounts counts(1000ms);
  Time now = beginning;
  for (int i = 0; i < 10; ++i, now += 100ms) counts.add_a(now);
  CHECK(counts.sum(now - 100ms) == RecentCounts::Counts{10, 0});
  CHECK(counts.sum(now) == RecentCounts::Counts{9, 0});
  counts.add_b(now - 1h);   // a clock that reads a little earlier: as the last that was seen
  CHECK(counts.sum(now + 400ms) == RecentCounts::Counts{5, 1});
  CHECK(counts.sum(now + 999ms) == RecentCounts::Counts{0, 1});
  CHECK(counts.sum(now + 1000ms) == RecentCounts::Counts{0, 0});
  CHECK(counts.sum(now + 1000h) == RecentCounts::Counts{0, 0});
}

TEST_CASE("circuit: opens at the ratio, not before there are enough calls, and refuses until its time is over") {
  CircuitBreaker breaker(settings(0.5, 4));
  Time now = beginning;
  one(breaker, Outcome::failure, now);
  one(breaker, Outcome::failure, now);
  one(breaker, Outcome::success, now);
  CHECK(breaker.state() == Circuit::closed);
  one(breaker, Outcome::none, now);   // counts for nothing
  CHECK(breaker.state() == Circuit::closed);
  one(breaker, Outcome::success, now);
  CHECK(breaker.state() == Circuit::open);
  CHECK(breaker.counts() == RecentCounts::Counts{2, 2});
  CHECK_FALSE(breaker.pass(now + 499ms));
  CHECK(breaker.refuses(now + 499ms));
  CHECK_FALSE(breaker.refuses(now + 500ms));
  CHECK(breaker.state() == Circuit::open);   // nobody has asked
  CHECK(breaker.pass(now + 500ms));
  CHECK(breaker.state() == Circuit::half_open);
}

TEST_CASE("circuit: half-open, as many as the probes must succeed, and one that fails opens it again") {
  CircuitBreaker breaker(settings(0.5, 1, 3));
  one(breaker, Outcome::failure, beginning);
  Time now = beginning + 500ms;
  const auto first = breaker.pass(now), second = breaker.pass(now), third = breaker.pass(now);
  REQUIRE((first && second && third));
  CHECK_FALSE(breaker.pass(now));
  breaker.end(*first, Outcome::success, now);
  CHECK_FALSE(breaker.pass(now));   // two are out, and one has succeeded: no more are needed
  breaker.end(*second, Outcome::none, now);
  const auto fourth = breaker.pass(now);   // in place of the one that was cancelled
  REQUIRE(fourth);
  breaker.end(*third, Outcome::failure, now);
  CHECK(breaker.state() == Circuit::open);
  breaker.end(*fourth, Outcome::success, now);   // too late to say anything
  CHECK(breaker.state() == Circuit::open);
  CHECK(breaker.refuses(now + 499ms));
  for (int probe = 0; probe < 3; ++probe) one(breaker, Outcome::success, now + 500ms);
  CHECK(breaker.state() == Circuit::closed);
  for (int call = 0; call < 100; ++call) CHECK(breaker.pass(now + 500ms));
}

TEST_CASE("circuit: a call from before it opened says nothing once it is closed again") {
  CircuitBreaker breaker(settings(1.0, 1));
  const auto slow = breaker.pass(beginning);
  REQUIRE(slow);
  one(breaker, Outcome::failure, beginning);
  one(breaker, Outcome::success, beginning + 500ms);
  REQUIRE(breaker.state() == Circuit::closed);
  breaker.end(*slow, Outcome::failure, beginning + 501ms);
  CHECK(breaker.state() == Circuit::closed);
}

TEST_CASE("circuit: opens when and only when the window says so; never more probes than allowed; always asks again") {
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const CircuitSettings set = settings(static_cast<double>(random() % 10 + 1) / 10, random() % 12 + 1,
                                         static_cast<std::uint32_t>(random() % 4 + 1));
    CircuitBreaker breaker(set);
    Model model(set);
    struct Running {
      CircuitBreaker::Pass pass;
      int period;
    };
    std::deque<Running> running;
    int period = 0;
    std::uint32_t probes_out = 0, succeeded = 0;
    Time now = beginning, open_until{};
    Circuit expected = Circuit::closed;
    const std::uint64_t bad = random() % 100;   // out of a hundred, for a while
    for (int step = 0; step < 300; ++step) {
      now += std::chrono::microseconds(random() % 60000);
      if (random() % 2 == 0 || running.empty()) {
        const bool would_refuse = breaker.refuses(now);
        const auto pass = breaker.pass(now);
        REQUIRE(would_refuse == !pass.has_value());
        if (expected == Circuit::open) {
          REQUIRE(pass.has_value() == (now >= open_until));   // always half-open again, and not before
          if (pass) expected = Circuit::half_open, ++period, probes_out = succeeded = 0;
        } else if (expected == Circuit::closed) {
          REQUIRE(pass);
        }
        if (expected == Circuit::half_open) {
          REQUIRE(pass.has_value() == (probes_out + succeeded < set.probes));   // no place is ever lost
          if (pass) ++probes_out;
        }
        if (pass) running.push_back({*pass, period});
      } else {
        std::swap(running.front(), running[random() % running.size()]);
        const Running ended = running.front();
        running.pop_front();
        const auto roll = random() % 100;
        const Outcome outcome = random() % 8 == 0 ? Outcome::none : roll < bad ? Outcome::failure : Outcome::success;
        breaker.end(ended.pass, outcome, now);
        if (ended.period == period && expected == Circuit::half_open) {
          --probes_out;
          if (outcome == Outcome::success && ++succeeded == set.probes) expected = Circuit::closed, ++period, model.outcomes.clear();
          if (outcome == Outcome::failure) expected = Circuit::open, ++period, open_until = now + set.open_for;
        } else if (ended.period == period && expected == Circuit::closed && outcome != Outcome::none) {
          model.outcomes.emplace_back(now, outcome == Outcome::failure);
          if (model.opens(now)) expected = Circuit::open, ++period, open_until = now + set.open_for;
        }
      }
      REQUIRE(breaker.state() == expected);
      REQUIRE(probes_out <= set.probes);
    }
    // Whatever is still out is cancelled; then it can be closed again.
    if (expected == Circuit::open) now = open_until;
    for (const Running& each : running) breaker.end(each.pass, Outcome::none, now);
    for (std::uint32_t probe = 0; probe < set.probes && breaker.state() != Circuit::closed; ++probe) one(breaker, Outcome::success, now);
    REQUIRE(breaker.state() == Circuit::closed);
  }
}
