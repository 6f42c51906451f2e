#include <deque>
#include <random>

#include "catch.hpp"
#include "resilience/concurrency_limit.hpp"

using namespace ferry::detail;

TEST_CASE("concurrency limit: in order, bounded, and nobody overtakes") {
  ConcurrencyLimit limit(LimitSettings{1, 2});
  CHECK(limit.enter());
  CHECK_FALSE(limit.enter());
  const auto a = limit.wait(10);
  const auto b = limit.wait(11);
  REQUIRE((a && b));
  CHECK_FALSE(limit.wait(12));
  CHECK_FALSE(limit.next());
  limit.leave();
  CHECK(limit.someone_may_go_on());
  CHECK_FALSE(limit.enter());   // there is a place, and somebody waits for it
  limit.give_up(*a);
  CHECK(limit.next() == 11);
  CHECK_FALSE(limit.someone_may_go_on());
  limit.leave();
  CHECK(limit.enter());
}

TEST_CASE("concurrency limit: against a model, for thousands of seeds") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const LimitSettings settings{random() % 5 + 1, random() % 6};
    ConcurrencyLimit limit(settings);
    std::size_t active = 0;
    std::deque<std::pair<std::uint64_t, std::uint64_t>> waiting;   // ticket, key
    std::uint64_t key = 0;
    for (int step = 0; step < 200; ++step) {
      switch (random() % 4) {
        case 0: {
          const bool free = active < settings.concurrent && waiting.empty();
          REQUIRE(limit.enter() == free);
          if (free) {
            ++active;
            break;
          }
          const auto ticket = limit.wait(++key);
          REQUIRE(ticket.has_value() == (waiting.size() < settings.queue));
          if (ticket) waiting.emplace_back(*ticket, key);
          break;
        }
        case 1:
          if (active > 0) limit.leave(), --active;
          break;
        case 2:
          if (!waiting.empty()) {
            const auto who = waiting.begin() + static_cast<long>(random() % waiting.size());
            limit.give_up(who->first);
            waiting.erase(who);
          }
          break;
        default: {
          const auto next = limit.next();
          REQUIRE(next.has_value() == (active < settings.concurrent && !waiting.empty()));
          if (!next) break;
          REQUIRE(*next == waiting.front().second);
          waiting.pop_front();
          ++active;
        }
      }
      REQUIRE(limit.active() == active);
      REQUIRE(limit.waiting() == waiting.size());
      REQUIRE(active <= settings.concurrent);
    }
  }
}
