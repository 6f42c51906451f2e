// What decides when a message may run: rates, limits that adapt, order by key. On a virtual clock.

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "adaptive_limit.hpp"
#include "backoff.hpp"
#include "catch.hpp"
#include "key_order.hpp"
#include "token_bucket.hpp"

using namespace ferry::detail;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("a token bucket never gives more than its rate and its burst, and never less than its rate") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto pick = [&](std::int64_t least, std::int64_t most) {
      return std::uniform_int_distribution<std::int64_t>(least, most)(random);
    };
    const std::int64_t rate = pick(1, 200);
    const std::int64_t burst = pick(1, 50);
    const auto per = std::chrono::milliseconds(pick(1, 5000));
    const Clock::time_point begin = Clock::time_point() + 1h;
    Clock::time_point now = begin;
    TokenBucket bucket(rate, per, burst, begin);
    std::vector<Clock::time_point> taken;
    for (int step = 0; step < 300; ++step) {
      if (pick(0, 3) == 0) now += std::chrono::microseconds(pick(0, 200000));
      if (bucket.take(now)) {
        taken.push_back(now);
      } else {
        REQUIRE(bucket.next() > now);
        if (pick(0, 1) == 0) {
          now = bucket.next();
          REQUIRE(bucket.take(now));   // not before, but then
          taken.push_back(now);
        }
      }
    }
    // Between any two of them no more have been taken than the burst and what came in that time.
    const double each = static_cast<double>(Clock::duration(per).count()) / static_cast<double>(rate);
    bool kept = true;
    for (std::size_t i = 0; i < taken.size(); i += 7) {
      for (std::size_t j = i; j < taken.size(); ++j) {
        const double came = static_cast<double>((taken[j] - taken[i]).count()) / each;
        kept = kept && static_cast<double>(j - i + 1) <= static_cast<double>(burst) + came + 1.01;
      }
    }
    REQUIRE(kept);
  }
}

TEST_CASE("a token bucket holds a rate of many in each tick of the clock") {
  const Clock::time_point begin = Clock::time_point() + 1h;
  TokenBucket bucket(1'000'000'000, 1ms, 5000, begin);   // a thousand in each nanosecond
  const auto all_at = [&](Clock::time_point now) {
    int count = 0;
    while (count < 100000 && bucket.take(now)) ++count;
    return count;
  };
  CHECK(all_at(begin) == 5000);
  CHECK(bucket.next() == begin + 1ns);
  CHECK(all_at(begin + 2ns) == 2000);
  CHECK(all_at(begin + 1h) == 5000);
}

TEST_CASE("backoff doubles up to its longest, with half of it jitter") {
  std::mt19937_64 random(1);
  for (std::int64_t failures = 1; failures < 200; ++failures) {
    const std::int64_t full = std::min<std::int64_t>(100LL << std::min<std::int64_t>(failures - 1, 20), 5000);
    for (int i = 0; i < 50; ++i) {
      const auto delay = backoff(100ms, 5000ms, failures, random).count();
      REQUIRE(delay >= full / 2);
      REQUIRE(delay <= full);
    }
  }
}

TEST_CASE("an adaptive limit grows while it is no burden, shrinks when it is, and stays within its bounds") {
  AdaptiveLimit limit(2, 100);
  CHECK(limit.limit() == 3);   // it measures
  const auto run = [&](auto time, int count) {
    for (int i = 0; i < count; ++i) limit.ended(time, limit.limit());
    return limit.limit();
  };
  const std::size_t begin = run(1ms, 20);
  CHECK(begin == 20);
  CHECK(run(1ms, 4000) == 100);
  const std::size_t slow = run(20ms, 2000);
  CHECK(slow < begin);
  CHECK(slow >= 2);
  CHECK(run(1ms, 2000) == 100);
  CHECK(run(20ms, 20000) == 100);   // measured again meanwhile: it takes so long, and no longer with many
  // Nothing is learnt from messages that the limit did not hold back.
  AdaptiveLimit idle(1, 100);
  for (int i = 0; i < 4000; ++i) idle.ended(1ms, 1);
  CHECK(idle.limit() == begin);
  AdaptiveLimit alone(1, 1);
  for (int i = 0; i < 4000; ++i) alone.ended(1ms, 1);
  CHECK(alone.limit() == 1);
}

TEST_CASE("a server with room for so many at once is found out") {
  // Eight workers: beyond that a message waits, and takes as much longer.
  AdaptiveLimit limit(1, 1000);
  std::size_t most = 0;
  for (int i = 0; i < 100000; ++i) {
    const std::size_t running = limit.limit();
    limit.ended(running <= 8 ? 10ms : std::chrono::nanoseconds(10'000'000 * running / 8), running);
    if (i > 10000) most = std::max(most, running);
  }
  CHECK(most >= 8);
  CHECK(most <= 32);
}

TEST_CASE("one of a key at a time, in its order; none is lost") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    KeyOrder<int> order;
    std::map<std::string, std::deque<int>> expected;   // what has not begun
    std::map<std::string, int> at_work;
    int next = 0;
    for (int step = 0; step < 200; ++step) {
      const std::string key = std::to_string(random() % 4);
      if (random() % 2 == 0) {
        expected[key].push_back(next);
        const auto begun = order.enter(key, next++);
        REQUIRE(begun.has_value() == !at_work.contains(key));
        if (begun) at_work[key] = *begun;
      } else if (at_work.contains(key)) {
        REQUIRE(expected[key].front() == at_work[key]);
        expected[key].pop_front();
        const auto following = order.done(key);
        REQUIRE(following.has_value() == !expected[key].empty());
        if (following) at_work[key] = *following;
        else at_work.erase(key);
      }
    }
    std::size_t left = 0;
    for (const auto& [key, waiting] : expected) left += waiting.size();
    while (!at_work.empty()) {
      const std::string key = at_work.begin()->first;
      --left;
      const auto following = order.done(key);
      if (following) at_work[key] = *following;
      else at_work.erase(key);
    }
    REQUIRE(left == 0);
    REQUIRE(order.empty());
  }
}
