#include <algorithm>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "../support/await.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "ferry/saga.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;
using Lines = std::vector<std::string>;

namespace {

const SagaRetry soon{.attempts = 3, .backoff = 1ms, .max_backoff = 1ms};

/// What the steps did, in order.
class Diary {
 public:
  void note(std::string line) {
    lines_.change([&](Lines& lines) { lines.push_back(std::move(line)); });
  }
  bool has(const std::string& line) const {
    return lines_.wait([&](const Lines& lines) { return std::find(lines.begin(), lines.end(), line) != lines.end(); });
  }
  Lines lines() const { return lines_.get(); }

  SagaAction does(std::string line) {
    return [this, line = std::move(line)](SagaContext& context) -> task<void> {
      note(line);
      context.state[context.step] = context.attempt;
      co_return;
    };
  }
  SagaAction fails(std::string line, Failure failure) {
    return [this, line = std::move(line), failure = std::move(failure)](SagaContext&) -> task<void> {
      note(line);
      throw_failure(failure);
      co_return;
    };
  }
  /// Until it is cancelled.
  SagaAction waits(std::string line) {
    return [this, line = std::move(line)](SagaContext&) -> task<void> {
      asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
      note(line);
      co_await timer.async_wait(asio::use_awaitable);
    };
  }
  /// Events, as lines.
  SagaObserver events() {
    return [this](const SagaEvent& event) {
      std::string line(to_string(event.kind));
      if (!event.step.empty()) line += ' ' + std::string(event.step);
      if (event.kind == SagaEvent::Kind::finished) line += ' ' + std::string(to_string(event.status));
      note(std::move(line));
    };
  }

 private:
  Watched<Lines> lines_;
};

const Failure no(errc::rejected, "no", Fate::confirmed);
const Failure silence(errc::timed_out, "no answer", Fate::unknown);

/// a and b succeed, c is `last`.
Saga three_steps(Diary& diary, SagaAction last) {
  Saga saga("test");
  saga.step("a").action(diary.does("a")).compensation(diary.does("undo a")).idempotent();
  saga.step("b").action(diary.does("b")).compensation(diary.does("undo b")).idempotent();
  saga.step("c").action(std::move(last)).compensation(diary.does("undo c")).idempotent().retry(soon);
  return saga;
}

}  // namespace

TEST_CASE("saga: its steps run in order, and their results are its state") {
  Diary diary;
  Diary events;
  Runtime runtime(1);
  SagaRunner runner(runtime, std::make_shared<MemorySagaStore>());
  runner.add(three_steps(diary, diary.does("c")));
  runner.on_event(events.events());
  const SagaOutcome outcome = runner.run("test", json{{"order", 7}}, SagaOptions().id("x")).get();
  CHECK(outcome.completed());
  CHECK(outcome.id == "x");
  CHECK_FALSE(outcome.cause);
  CHECK(outcome.state == json{{"order", 7}, {"a", 1}, {"b", 1}, {"c", 1}});
  CHECK(diary.lines() == Lines{"a", "b", "c"});
  CHECK(events.lines() == Lines{"begun", "attempt a", "step done a", "attempt b", "step done b", "attempt c", "step done c",
                                "finished completed"});
  CHECK(runner.running() == 0);
}

TEST_CASE("saga: when a step fails, what was done is undone in reverse, and the cause is told") {
  Diary diary;
  Diary events;
  Runtime runtime(1);
  SagaRunner runner(runtime, std::make_shared<MemorySagaStore>());
  runner.on_event(events.events());
  SECTION("answered: not done") {
    runner.add(three_steps(diary, diary.fails("c", no)));
    const SagaOutcome outcome = runner.run("test", json::object()).get();
    CHECK(outcome.status == SagaStatus::compensated);
    CHECK(outcome.cause->step == "c");
    CHECK(outcome.cause->failure.code == errc::rejected);
    CHECK(diary.lines() == Lines{"a", "b", "c", "undo b", "undo a"});
    CHECK(events.has("turned back c"));
    CHECK(events.has("finished c compensated"));
  }
  SECTION("not answered: tried again, then undone as if it were done") {
    runner.add(three_steps(diary, diary.fails("c", silence)));
    CHECK(runner.run("test", json::object()).get().cause->failure.code == errc::timed_out);
    CHECK(diary.lines() == Lines{"a", "b", "c", "c", "c", "undo c", "undo b", "undo a"});
  }
  SECTION("an exception of its own says nothing of what was done") {
    runner.add(three_steps(diary, [](SagaContext&) -> task<void> {
      throw std::logic_error("oh");
      co_return;
    }));
    const SagaOutcome outcome = runner.run("test", json::object()).get();
    CHECK(outcome.cause->failure.detail == "oh");
    CHECK(diary.lines() == Lines{"a", "b", "undo c", "undo b", "undo a"});
  }
}

TEST_CASE("saga: a compensation that fails for good is stuck, with both causes, until it is retried") {
  set_log_level(LogLevel::off);
  Diary diary;
  Runtime runtime(1);
  std::atomic<bool> mended{false};
  SagaRunner runner(runtime, std::make_shared<MemorySagaStore>());
  Saga saga("test");
  saga.step("a").action(diary.does("a")).compensation(diary.does("undo a"));
  saga.step("b").action(diary.does("b")).retry_compensation(soon).compensation([&](SagaContext&) -> task<void> {
    diary.note("undo b");
    if (!mended) throw RpcError("locked");
    co_return;
  });
  saga.step("c").action(diary.fails("c", no)).nothing_to_undo();
  runner.add(std::move(saga));
  const SagaOutcome outcome = runner.run("test", json::object(), SagaOptions().id("x")).get();
  CHECK(outcome.status == SagaStatus::compensation_failed);
  CHECK(outcome.cause->step == "c");
  CHECK(outcome.stuck->step == "b");
  CHECK(outcome.stuck->failure.detail == "locked");
  CHECK(diary.lines() == Lines{"a", "b", "c", "undo b", "undo b", "undo b"});

  const auto stuck = runner.list(SagaStatus::compensation_failed).get();
  REQUIRE(stuck.size() == 1);
  CHECK(stuck[0].id == "x");
  CHECK(runner.recover().get().taken.empty());   // stuck ones wait for somebody
  CHECK(code_of([&] { runner.retry("y").get(); }) == saga_errc::not_found);
  mended = true;
  CHECK(runner.retry("x").get().outcome().get().status == SagaStatus::compensated);
  CHECK(diary.lines().back() == "undo a");
  set_log_level(LogLevel::error);
}

TEST_CASE("saga: cancelled, it turns back") {
  Diary diary;
  Runtime runtime(2);
  SagaRunner runner(runtime, std::make_shared<MemorySagaStore>());
  runner.on_event(diary.events());
  SECTION("while a step is under way") {
    runner.add(three_steps(diary, diary.waits("c")));
    const SagaRun run = runner.start("test", json::object()).get();
    REQUIRE(diary.has("c"));
    run.cancel();
    const SagaOutcome outcome = run.outcome().get();
    CHECK(outcome.status == SagaStatus::compensated);
    CHECK(outcome.cause->failure.code == errc::cancelled);
    CHECK(diary.has("undo c"));   // it may have been done
  }
  SECTION("between attempts") {
    Saga saga("test");
    const SagaRetry late{.attempts = 2, .backoff = 10min, .max_backoff = 10min};
    saga.step("a").action(diary.fails("a", Failure(errc::not_connected, "nobody", Fate::not_sent))).nothing_to_undo().retry(late);
    runner.add(std::move(saga));
    const SagaRun run = runner.start("test", json::object()).get();
    REQUIRE(diary.has("attempt failed a"));
    run.cancel();
    CHECK(run.outcome().get().status == SagaStatus::compensated);
  }
  SECTION("because its caller gave up") {
    runner.add(three_steps(diary, diary.waits("c")));
    asio::cancellation_signal gives_up;
    Watched<std::error_code> ended;
    auto call = runner.run("test", json::object());
    asio::co_spawn(runtime.loops()[0]->executor(), std::move(call),
                   asio::bind_cancellation_slot(gives_up.slot(), [&](std::exception_ptr error, SagaOutcome) {
                     ended.change([&](auto& code) { code = code_of([&] { std::rethrow_exception(error); }); });
                   }));
    REQUIRE(diary.has("c"));
    runtime.loops()[0]->post([&] { gives_up.emit(asio::cancellation_type::terminal); });
    CHECK(ended.wait([](const auto& code) { return code == errc::cancelled; }));
    CHECK(diary.has("undo a"));
  }
  SECTION("but not because one stopped waiting for it") {
    runner.add(three_steps(diary, diary.waits("c")));
    const SagaRun run = runner.start("test", json::object()).get();
    CHECK(code_of([&] { run.outcome().get(20ms); }) == errc::timed_out);
    REQUIRE(diary.has("c"));
    run.cancel();
    run.outcome().get();
    CHECK_NOTHROW(run.cancel());   // of one that has ended: nothing
  }
}

TEST_CASE("saga: past its deadline it turns back, however long that takes") {
  Diary diary;
  Runtime runtime(1);
  SagaRunner runner(runtime, std::make_shared<MemorySagaStore>());
  Saga saga("test");
  saga.step("a").action(diary.does("a")).compensation([&](SagaContext&) -> task<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 50ms);
    co_await timer.async_wait(asio::use_awaitable);
    diary.note("undo a");
  });
  saga.step("b").action(diary.waits("b")).compensation(diary.does("undo b"));
  runner.add(std::move(saga));
  const SagaOutcome outcome = runner.run("test", json::object(), SagaOptions().deadline(500ms)).get();
  CHECK(outcome.status == SagaStatus::compensated);
  CHECK(outcome.cause->failure.code == errc::timed_out);
  CHECK(diary.lines() == Lines{"a", "b", "undo b", "undo a"});
}

TEST_CASE("saga: what cannot be begun is refused") {
  Diary diary;
  Runtime runtime(1);
  SagaRunner runner(runtime, std::make_shared<MemorySagaStore>(), {.max_running = 1});
  runner.add(three_steps(diary, diary.waits("c")));
  CHECK(code_of([&] { runner.add(three_steps(diary, diary.does("c"))); }) == saga_errc::bad_definition);
  CHECK(code_of([&] { runner.run("tset", json::object()).get(); }) == saga_errc::unknown_definition);
  CHECK(code_of([&] { runner.run("test", json(7)).get(); }) == errc::bad_payload);
  const SagaRun run = runner.start("test", json::object(), SagaOptions().id("x")).get();
  CHECK(code_of([&] { runner.run("test", json::object()).get(); }) == errc::overloaded);
  run.cancel();
  run.outcome().get();

  const auto refused = [&](auto&& change) {
    Saga saga("other");
    change(saga);
    return code_of([&] { runner.add(std::move(saga)); }) == saga_errc::bad_definition;
  };
  CHECK(refused([](Saga&) {}));
  CHECK(refused([](Saga& saga) { saga.step("a").nothing_to_undo(); }));
  CHECK(refused([&](Saga& saga) { saga.step("a").action(diary.does("a")); }));
  CHECK(refused([&](Saga& saga) { saga.step("a").action(diary.does("a")).compensation(diary.does("b")).nothing_to_undo(); }));
  CHECK(refused([&](Saga& saga) { saga.step("").action(diary.does("a")).nothing_to_undo(); }));
  CHECK(refused([&](Saga& saga) { saga.step("a").action(diary.does("a")).nothing_to_undo().retry({.attempts = 0}); }));
  CHECK(refused([&](Saga& saga) { saga.step("a").action(diary.does("a")).nothing_to_undo().retry({.max_backoff = 1ms}); }));
  CHECK(refused([&](Saga& saga) {
    saga.step("a").action(diary.does("a")).nothing_to_undo();
    saga.step("a").action(diary.does("a")).nothing_to_undo();
  }));
}

TEST_CASE("saga: sends with one idempotency key, and undoes with another") {
  Watched<Lines> keys;
  std::atomic<int> charges{0};
  const json transport{{"transport", "memory"}, {"options", {{"name", "saga-send"}}}};
  Application app(Config::from_json({{"services", {{"S", transport}}}, {"clients", {{"C", transport}}}}));
  const auto note = [&](Context& context) {
    keys.change([&](Lines& lines) {
      lines.push_back(context.pattern() + ' ' + std::string(context.headers().get("idempotency-key").value_or("none")));
    });
  };
  app.on_message("charge", [&](const json& data, Context& context) {
    note(context);
    if (++charges == 1) throw RpcError("busy");
    return json{{"receipt", data.at("total").get<int>() * 10}};
  });
  app.on_message("refund", [&](const json&, Context& context) { note(context); });
  app.on_message("ship", [](const json&) -> json { throw RpcError("no such street"); });
  app.start();
  SagaRunner runner(app.runtime(), std::make_shared<MemorySagaStore>());
  const Client client = app.client("C");
  const auto all = [](const json& state) { return state; };
  Saga saga("test");
  SagaRetry patient = soon;
  patient.which = [](const Failure& failure) { return failure.code == errc::rejected; };
  saga.step("payment").send(client, "charge", all).into("paid").compensate(client, "refund", all).retry(patient);
  saga.step("shipment").send(client, "ship", all).compensate(client, "unship", all);
  runner.add(std::move(saga));
  Saga wrong("wrong");
  wrong.step("payment").send(client, "charge", [](const json& state) { return json(state.at("none")); }).nothing_to_undo();
  runner.add(std::move(wrong));

  const SagaOutcome outcome = runner.run("test", json{{"total", 3}}, SagaOptions().id("x")).get();
  CHECK(outcome.status == SagaStatus::compensated);
  CHECK(outcome.cause->step == "shipment");
  CHECK(outcome.cause->failure.detail == "no such street");
  CHECK(outcome.state == json{{"total", 3}, {"paid", {{"receipt", 30}}}});
  CHECK(keys.get() == Lines{"charge x/payment", "charge x/payment", "refund x/payment/undo"});

  const SagaOutcome unsent = runner.run("wrong", json{{"total", 3}}).get();
  CHECK(unsent.cause->failure.code == errc::bad_payload);
  CHECK(unsent.cause->failure.fate == Fate::not_sent);
  app.stop();
}
