// What becomes of a stream's entries: every path, with no server and no clock.

#include "catch.hpp"
#include "transports/redis/stream_ledger.hpp"

namespace {

using namespace std::chrono_literals;
using namespace ferry::redis;
using ferry::spi::Settlement;
using Verdict = StreamLedger::Verdict;
using Answer = StreamLedger::Answer;

const StreamLedger::Time start{1000s};
const EntryPlace one{0, "1-0"};
const EntryPlace two{0, "2-0"};
const EntryPlace elsewhere{1, "1-0"};

StreamLedger ledger(std::int64_t max_deliver = 3, std::size_t max_waiting = 10) {
  return StreamLedger({max_deliver, 100ms, max_waiting});
}

}  // namespace

TEST_CASE("redis ledger: handled, acknowledged, forgotten", "[redis]") {
  StreamLedger l = ledger();
  CHECK(l.take(one, 1, start));
  CHECK_FALSE(l.take(one, 1, start));      // it is being worked on
  CHECK(l.take(elsewhere, 1, start));      // the same id in another stream
  CHECK(l.running() == 2);
  CHECK(l.settle(one, Settlement::ack, Answer::none, start) == Verdict::acknowledge);
  CHECK(l.settle(one, Settlement::ack, Answer::none, start) == Verdict::unknown);
  CHECK(l.running() == 1);
  CHECK(l.has(one));                       // until the server knows
  CHECK_FALSE(l.settled_only());           // the other one runs
  l.acknowledged(one);
  CHECK_FALSE(l.has(one));
  CHECK(l.settle(elsewhere, Settlement::reject, Answer::none, start) == Verdict::acknowledge);
  CHECK(l.settled_only());
}

TEST_CASE("redis ledger: a failure is tried again after its delay, and buried in the end", "[redis]") {
  StreamLedger l = ledger(2);
  REQUIRE(l.take(one, 1, start));
  CHECK(l.settle(one, Settlement::requeue, Answer::none, start) == Verdict::wait);
  CHECK(l.running() == 0);
  CHECK(l.next_due() == start + 100ms);
  CHECK(l.due(start + 99ms).empty());
  CHECK(l.due(start + 100ms) == std::vector{one});
  CHECK(l.due(start + 100ms).empty());     // once
  CHECK_FALSE(l.spent(one));
  REQUIRE(l.take(one, l.attempts(one) + 1, start + 100ms));
  CHECK(l.settle(one, Settlement::requeue, Answer::none, start + 100ms) == Verdict::bury);
  l.retry(one, start + 100ms);             // the burial failed
  CHECK(l.due(start + 200ms) == std::vector{one});
  CHECK(l.spent(one));                     // to be buried, not handled
  l.acknowledged(one);
  CHECK_FALSE(l.has(one));
}

TEST_CASE("redis ledger: no limit, explicit dead letters, answers that got lost", "[redis]") {
  StreamLedger l = ledger(0);
  REQUIRE(l.take(one, 1000, start));
  CHECK(l.settle(one, Settlement::requeue, Answer::none, start) == Verdict::wait);
  REQUIRE(l.take(two, 1, start));
  CHECK(l.settle(two, Settlement::dead_letter, Answer::none, start) == Verdict::bury);
  REQUIRE(l.take(elsewhere, 1, start));
  CHECK(l.settle(elsewhere, Settlement::ack, Answer::lost, start) == Verdict::wait);   // handled, but nobody heard it
}

TEST_CASE("redis ledger: an entry that somebody else has is forgotten", "[redis]") {
  StreamLedger l = ledger();
  REQUIRE(l.take(one, 1, start));
  l.forget(one);
  CHECK(l.has(one));                       // we have it
  REQUIRE(l.settle(one, Settlement::requeue, Answer::none, start) == Verdict::wait);
  REQUIRE(l.due(start + 1s).size() == 1);
  l.forget(one);
  CHECK_FALSE(l.has(one));
}

TEST_CASE("redis ledger: what waits is bounded, and the rest is left to others", "[redis]") {
  StreamLedger l = ledger(3, 1);
  REQUIRE(l.take(one, 1, start));
  REQUIRE(l.take(two, 1, start));
  CHECK(l.settle(one, Settlement::requeue, Answer::none, start) == Verdict::wait);
  CHECK(l.settle(two, Settlement::requeue, Answer::none, start) == Verdict::leave);
  CHECK_FALSE(l.has(two));
  l.acknowledged(one);
  CHECK_FALSE(l.settled_only());           // it is still pending under our name
}

TEST_CASE("redis ledger: a lost connection", "[redis]") {
  StreamLedger l = ledger();
  REQUIRE(l.take(one, 1, start));
  REQUIRE(l.take(two, 1, start));
  REQUIRE(l.take(elsewhere, 1, start));
  REQUIRE(l.settle(one, Settlement::ack, Answer::none, start) == Verdict::acknowledge);
  REQUIRE(l.settle(two, Settlement::requeue, Answer::none, start) == Verdict::wait);
  CHECK(l.reconnected(start + 10ms) == std::vector{one});    // told again
  CHECK(l.due(start + 10ms) == std::vector{two});            // at once
  CHECK(l.running() == 1);                                   // its handler runs on
}

TEST_CASE("redis ledger: an answer may have gone with its connection", "[redis]") {
  StreamLedger l = ledger();
  REQUIRE(l.take(one, 1, start));
  REQUIRE(l.settle(one, Settlement::ack, Answer::sent, start) == Verdict::acknowledge);
  CHECK(l.reconnected(start).empty());
  CHECK(l.due(start) == std::vector{one});
}

TEST_CASE("redis ledger: what is kept is kept fresh", "[redis]") {
  StreamLedger l = ledger();
  REQUIRE(l.take(one, 1, start));
  CHECK(l.stale(start + 9s, 10s).empty());
  CHECK(l.stale(start + 10s, 10s) == std::vector{one});
  CHECK(l.stale(start + 19s, 10s).empty());
}
