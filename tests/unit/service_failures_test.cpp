// What becomes of messages whose handler fails, of those that wait, and of those that are given up.

#include <stdexcept>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "service_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace ferry::test::service;
using spi::Settlement;

namespace {

ServiceSettings settings(bool at_least_once, std::optional<RetrySettings> retry = std::nullopt) {
  ServiceSettings made = settings_of(false);
  made.at_least_once = at_least_once;
  made.retry = retry;
  return made;
}

/// Between attempts there is all the time in the world.
RetrySettings in_an_hour(std::uint32_t attempts = 3) { return {.attempts = attempts, .backoff = 1h, .max_backoff = 1h}; }
RetrySettings soon(std::uint32_t attempts) { return {.attempts = attempts, .poison = true, .backoff = 1ms, .max_backoff = 1ms}; }

/// A world whose handlers of "work" fail, as a broken program does.
struct Failing : World {
  explicit Failing(ServiceSettings made) : World(std::move(made)) {
    handles("work", true, [this] {
      tried.add();
      throw std::runtime_error("broken");
    });
    handles("ask", false, [this]() -> int {
      tried.add();
      throw RetriableError(nlohmann::json{{"code", 7}});
    });
    CHECK_FALSE(listen());
  }
  Counter tried;
};

/// Keeps dead letters, or does not.
struct Graveyard {
  DeadLetterSink sink() {
    return [this](detail::DeadLetter letter, const std::function<void(const Failure*)>& done) {
      const Failure away(errc::not_connected, "the graveyard is closed", Fate::not_sent);
      letters.change([&](auto& all) { all.push_back(std::move(letter.headers)); });
      done(open ? nullptr : &away);
    };
  }
  bool open = true;
  Watched<std::vector<Headers>> letters;
};

}  // namespace

TEST_CASE("service: an event whose handler fails is never silent; a request's answer is the caller's to log") {
  Watched<std::vector<std::string>> lines;
  World world(settings(false));
  world.handles("work", true, [] { throw RpcError("refused, the reason is this"); });
  world.handles("ask", false, []() -> int { throw RpcError("answered, the reason is this"); });
  CHECK_FALSE(world.listen());
  set_log_sink([&](LogLevel level, std::string_view, std::string_view text) {
    if (level == LogLevel::error) lines.change([text](auto& all) { all.emplace_back(text); });
  }, LogLevel::info);
  world.arrives({.pattern = "ask", .request = true});
  world.arrives({});
  CHECK(world.fates.ended(2));
  set_log_sink(nullptr, LogLevel::error);
  REQUIRE(lines.get().size() == 1);
  CHECK_THAT(lines.get()[0], Catch::Contains("work") && Catch::Contains("refused, the reason is this"));
}

TEST_CASE("service: a drain puts back what waits for its next attempt, or is given up where nobody brings it again") {
  const bool at_least_once = GENERATE(true, false);
  CAPTURE(at_least_once);
  Failing world(settings(at_least_once, in_an_hour()));
  world.arrives({});
  REQUIRE(world.tried.reaches(1));
  CHECK(world.fates.settled.get().empty());
  world.drains();
  CHECK(world.fates.settled.get() == std::vector{at_least_once ? Settlement::requeue : Settlement::reject});
  CHECK(world.service.counters().dead == (at_least_once ? 0 : 1));
}

TEST_CASE("service: what fails for the first time while it drains is put back, too") {
  World world(settings(true, in_an_hour()));
  Watched<asio::steady_timer*> gate{nullptr};
  world.handles("work", true, [&]() -> task<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    gate.change([&](auto*& value) { value = &timer; });
    std::error_code ended;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    throw std::runtime_error("broken");
  });
  CHECK_FALSE(world.listen());
  world.arrives({});
  REQUIRE(gate.wait([](const auto* value) { return value != nullptr; }));
  Counter drained;
  world.service.drain([&] { drained.add(); });
  REQUIRE(world.becomes(Status::draining));
  world.runtime.loops().front()->post([&] { gate.get()->cancel(); });
  CHECK(drained.reaches(1));
  CHECK(world.fates.settled.get() == std::vector{Settlement::requeue});
  CHECK(world.service.counters().dead == 0);
}

TEST_CASE("service: those behind what is put back, in the order of its key, do not overtake it") {
  ServiceSettings made = settings(true, in_an_hour());
  made.admission.order_by.emplace("/key");
  Failing world(made);
  world.handles("other", true, [] {});
  world.arrives({.payload = R"({"key":1})"});
  REQUIRE(world.tried.reaches(1));
  world.arrives({.payload = R"({"key":1})"});
  world.arrives({.pattern = "other", .payload = R"({"key":2})"});
  REQUIRE(world.fates.ended(1));
  world.drains();
  CHECK(world.fates.settled.get() == std::vector{Settlement::ack, Settlement::requeue, Settlement::requeue});
  world.arrives({.pattern = "other", .payload = R"({"key":1})"});   // was on its way
  world.arrives({.pattern = "other", .payload = R"({"key":2})"});
  REQUIRE(world.fates.ended(5));
  CHECK(world.fates.settled.get()[3] == Settlement::requeue);
  CHECK(world.fates.settled.get()[4] == Settlement::ack);
  CHECK(world.tried.get() == 1);
}

TEST_CASE("service: a request that waits for its next attempt is answered with its last error at a drain, or put back") {
  const bool can_be_requeued = GENERATE(false, true);
  CAPTURE(can_be_requeued);
  Failing world(settings(can_be_requeued, in_an_hour()));
  world.arrives({.pattern = "ask", .request = true, .can_be_requeued = can_be_requeued});
  REQUIRE(world.tried.reaches(1));
  CHECK(world.fates.settled.get().empty());
  world.drains();
  CHECK(world.fates.settled.get() == std::vector{can_be_requeued ? Settlement::requeue : Settlement::ack});
  CHECK(world.fates.answers.get() == (can_be_requeued ? std::vector<std::string>{} : std::vector<std::string>{R"({"code":7})"}));
}

TEST_CASE("service: a request whose handler asks for it is handled again, and answered once") {
  World world(settings(false, soon(3)));
  Counter tried;
  world.handles("ask", false, [&](int succeeds_at) {
    tried.add();
    if (tried.get() < succeeds_at) throw RetriableError("not yet");
    return tried.get();
  });
  CHECK_FALSE(world.listen());
  world.arrives({.pattern = "ask", .payload = "3", .request = true});
  REQUIRE(world.fates.ended(1));
  CHECK(world.fates.answers.get() == std::vector<std::string>{"3"});
  CHECK(world.service.counters().retried == 2);
  world.arrives({.pattern = "ask", .payload = "100", .request = true});   // as often as it may be
  REQUIRE(world.fates.ended(2));
  CHECK(tried.get() == 6);
  CHECK(world.fates.answers.get().back() == R"({"message":"not yet","status":"error"})");
  CHECK(world.fates.settled.get() == std::vector(2, Settlement::ack));
}

TEST_CASE("service: what the broker has brought too often, and was never seen to the end, is given up without its handler") {
  Graveyard graveyard;
  Failing world(settings(true, soon(3)));
  world.service.dead_letters(graveyard.sink());
  world.arrives({.deliveries = 4});
  REQUIRE(world.fates.ended(1));
  CHECK(world.tried.get() == 0);
  CHECK(world.service.counters().dead == 1);
  CHECK(world.fates.settled.get() == std::vector{Settlement::ack});
  REQUIRE(graveyard.letters.get().size() == 1);
  CHECK_THAT(std::string(graveyard.letters.get()[0].get("dead-letter-cause").value_or("")), Catch::Contains("delivered 4 times"));
  world.arrives({.deliveries = 3});   // may be tried, once
  REQUIRE(world.fates.ended(2));
  CHECK(world.tried.get() == 1);
}

TEST_CASE("service: an event is not acknowledged that its dead-letter destination did not take") {
  const bool at_least_once = GENERATE(true, false);
  CAPTURE(at_least_once);
  Graveyard graveyard;
  graveyard.open = false;
  Failing world(settings(at_least_once, RetrySettings{}));
  world.service.dead_letters(graveyard.sink());
  world.arrives({});
  REQUIRE(world.fates.ended(1));
  CHECK(graveyard.letters.get().size() == 1);
  CHECK(world.errors.get() == 1);
  CHECK(world.fates.settled.get() == std::vector{at_least_once ? Settlement::requeue : Settlement::reject});
}

TEST_CASE("service: a dead letter whose handler fails does not go round") {
  const bool at_least_once = GENERATE(true, false);
  CAPTURE(at_least_once);
  Graveyard graveyard;
  Failing world(settings(at_least_once, soon(2)));
  world.service.dead_letters(graveyard.sink());
  Incoming letter;
  letter.headers.set("dead-letter-pattern", "elsewhere");
  world.arrives(letter);
  REQUIRE(world.fates.ended(1));
  CHECK(world.tried.get() == 2);
  CHECK(graveyard.letters.get().empty());
  CHECK(world.service.counters().dead == 1);
  CHECK(world.fates.settled.get() == std::vector{at_least_once ? Settlement::dead_letter : Settlement::reject});
}

TEST_CASE("service: with as many waiting for their next attempt as may, the transport is held back; none is given up") {
  RetrySettings retry = in_an_hour();
  retry.max_waiting = 2;
  Failing world(settings(true, retry));
  world.arrives({});
  REQUIRE(world.tried.reaches(1));
  CHECK_FALSE(world.broker->paused.get());
  world.arrives({});
  world.arrives({});   // on its way already
  CHECK(world.broker->paused.wait([](bool is) { return is; }));
  REQUIRE(world.tried.reaches(3));
  CHECK(world.fates.settled.get().empty());
  world.drains();
  CHECK(world.broker->paused.wait([](bool is) { return !is; }));
  CHECK(world.fates.settled.get() == std::vector(3, Settlement::requeue));
}

TEST_CASE("service: messages that wait behind others of their key hold the transport back, before they are too many") {
  constexpr int most = 10000;
  ServiceSettings made = settings(false);
  made.admission.order_by.emplace("/key");
  World world(made);
  std::atomic<bool> first{true};
  Watched<asio::steady_timer*> gate{nullptr};
  world.handles("work", true, [&]() -> task<void> {
    if (!first.exchange(false)) co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    gate.change([&](auto*& value) { value = &timer; });
    std::error_code ended;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  });
  CHECK_FALSE(world.listen());
  for (int i = 2; i < most; ++i) world.arrives({.payload = R"({"key":1})"});
  REQUIRE(gate.wait([](const auto* value) { return value != nullptr; }));
  world.arrives({.payload = R"({"key":2})"});   // others run meanwhile, and this one ends
  REQUIRE(world.fates.ended(1));
  CHECK_FALSE(world.broker->paused.get());
  for (int i = 0; i < 2; ++i) world.arrives({.payload = R"({"key":1})"});
  CHECK(world.broker->paused.wait([](bool is) { return is; }));
  CHECK(world.service.active() == most);
  world.runtime.loops().front()->post([&] { gate.get()->cancel(); });
  REQUIRE(world.fates.ended(most + 1));
  CHECK(world.broker->paused.wait([](bool is) { return !is; }));
}

TEST_CASE("service: an adaptive limit learns nothing from messages that nobody waits for any more") {
  ServiceSettings made = settings(false);
  made.admission.max_concurrency = 50;
  made.admission.least_concurrency = 1;
  World world(made);
  Counter begun;
  bool open = false;   // touched on the loop, as the gates are
  std::vector<asio::steady_timer*> gates;
  world.handles("ask", false, [&]() -> task<int> {
    begun.add();
    if (open) co_return 1;
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    gates.push_back(&timer);
    std::error_code ended;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    co_return 1;
  });
  CHECK_FALSE(world.listen());
  const auto let_go = [&] {
    for (asio::steady_timer* timer : std::exchange(gates, {})) timer->cancel();
  };
  // Three run, among which it measures; the others wait until their deadlines are over.
  for (int i = 0; i < 3; ++i) world.arrives({.pattern = "ask", .request = true});
  REQUIRE(begun.reaches(3));
  const auto soon_over = std::chrono::steady_clock::now() + 100ms;
  for (int i = 0; i < 40; ++i) world.arrives({.pattern = "ask", .request = true, .deadline = soon_over});
  asio::steady_timer over(world.runtime.loops().front()->executor(), soon_over + 50ms);
  over.async_wait([&](std::error_code) { let_go(); });
  REQUIRE(world.fates.ended(43));
  CHECK(world.service.counters().expired == 40);
  for (int i = 0; i < 50; ++i) world.arrives({.pattern = "ask", .request = true});
  REQUIRE(begun.reaches(6));
  Counter looked;   // behind all that came
  world.runtime.loops().front()->post([&] { looked.add(); });
  REQUIRE(looked.reaches(1));
  CHECK(begun.get() == 6);   // it measures still
  world.runtime.loops().front()->post([&] {
    open = true;
    let_go();
  });
  CHECK(world.fates.ended(93));
}
