// Sagas whose process ends in the middle of them.

#include <algorithm>
#include <atomic>
#include <set>

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

namespace {

/// Passes on to a log that survives, until its process "dies": from then on every call fails.
class DyingStore final : public SagaStore {
 public:
  DyingStore(SagaStore& log, int writes) : log_(log), left_(writes) {}

  void begin(const SagaEntry& entry) override { write(), log_.begin(entry); }
  void save(const SagaEntry& entry) override { write(), log_.save(entry); }
  std::vector<SagaEntry> claim() override { return log_.claim(); }
  std::optional<SagaEntry> claim_stuck(const std::string& id) override { return log_.claim_stuck(id); }
  void release(const std::string& id) override { log_.release(id); }
  std::optional<SagaEntry> find(const std::string& id) override { return log_.find(id); }
  std::vector<SagaEntry> list(SagaStatus status) override { return log_.list(status); }

 private:
  void write() {
    if (left_-- <= 0) throw SagaStoreError(saga_errc::store_full, "no room");
  }
  SagaStore& log_;
  int left_;
};

/// Services that know each step by its key.
struct Effects {
  Watched<std::set<std::string>> done;

  Saga saga(bool last_fails, bool idempotent) {
    Saga made("test");
    for (const char* name : {"a", "b", "c"}) {
      SagaStep& step = made.step(name);
      step.action([this, last_fails](SagaContext& context) -> task<void> {
        if (last_fails && context.step == "c") throw RpcError("no");
        done.change([&](auto& all) { all.insert(context.step); });
        co_return;
      });
      step.compensation([this](SagaContext& context) -> task<void> {
        done.change([&](auto& all) { all.erase(context.step); });
        co_return;
      });
      if (idempotent) step.idempotent();
    }
    return made;
  }
};

task<void> wait_for_ever(SagaContext&) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

TEST_CASE("saga recovery: whichever write is the last one, the next process finishes or undoes it") {
  set_log_level(LogLevel::off);
  Runtime runtime(1);
  for (const bool last_fails : {false, true}) {
    for (const bool idempotent : {false, true}) {
      for (int writes = 0; writes < 8; ++writes) {
        CAPTURE(last_fails, idempotent, writes);
        Effects effects;
        MemorySagaStore log;
        std::error_code ended;
        {
          SagaRunner runner(runtime, std::make_shared<DyingStore>(log, writes));
          runner.add(effects.saga(last_fails, idempotent));
          ended = code_of([&] { runner.run("test", json::object(), SagaOptions().id("x")).get(); });
          if (ended) CHECK(ended == saga_errc::store_full);
        }
        SagaRunner runner(runtime, std::make_shared<DyingStore>(log, 100));
        runner.add(effects.saga(last_fails, idempotent));
        const SagaRecovery recovery = runner.recover().get();
        CHECK(recovery.refused.empty());
        CHECK(recovery.taken.size() == (ended && writes > 0 ? 1U : 0U));
        bool completed = !ended && !last_fails;
        for (const SagaRun& run : recovery.taken) completed = run.outcome().get().completed();
        if (writes == 0) CHECK(effects.done.get().empty());   // not in the log: not begun
        CHECK(effects.done.get().size() == (completed ? 3U : 0U));
        if (last_fails) CHECK_FALSE(completed);
        if (!last_fails && idempotent && writes > 0) CHECK(completed);
      }
    }
  }
  set_log_level(LogLevel::error);
}

TEST_CASE("saga recovery: a runner that is stopped leaves what does not end, and the next one takes it up") {
  set_log_level(LogLevel::off);
  Runtime runtime(1);
  const auto log = std::make_shared<MemorySagaStore>();
  const auto saga = [](SagaAction action) {
    Saga made("test");
    made.step("a").action(std::move(action)).nothing_to_undo().idempotent();
    return made;
  };
  {
    SagaRunner runner(runtime, log);
    runner.add(saga(wait_for_ever));
    const SagaRun run = runner.start("test", json::object()).get();
    CHECK_FALSE(runner.stop(10ms));
    CHECK(code_of([&] { run.outcome().get(); }) == saga_errc::interrupted);
    CHECK(code_of([&] { runner.run("test", json::object()).get(); }) == saga_errc::interrupted);
  }
  SagaRunner runner(runtime, log);
  runner.add(saga([](SagaContext&) -> task<void> { co_return; }));
  const SagaRecovery recovery = runner.recover().get();
  REQUIRE(recovery.taken.size() == 1);
  CHECK(recovery.taken[0].outcome().get().completed());
  CHECK(runner.stop(patience));
  set_log_level(LogLevel::error);
}

TEST_CASE("saga recovery: a client that is closed under a saga interrupts it; its services said nothing") {
  set_log_level(LogLevel::off);
  const auto log = std::make_shared<MemorySagaStore>();
  const json transport{{"transport", "memory"}, {"options", {{"name", "saga-closed"}}}};
  Application app(Config::from_json({{"services", {{"S", transport}}}, {"clients", {{"C", transport}}}}));
  Counter asked;
  app.on_message("slow", [&](const json&) -> task<void> {
    asked.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
    co_await timer.async_wait(asio::use_awaitable);
  });
  app.start();
  SagaRunner runner(app.runtime(), log);
  Saga saga("test");
  const auto all = [](const json& state) { return state; };
  saga.step("a").send(app.client("C"), "slow", all).compensate(app.client("C"), "undo", all);
  runner.add(std::move(saga));
  const SagaRun run = runner.start("test", json::object(), SagaOptions().id("x")).get();
  REQUIRE(asked.reaches(1));
  app.client("C").close().get();
  CHECK(code_of([&] { run.outcome().get(); }) == saga_errc::interrupted);
  CHECK(runner.find("x").get()->status == SagaStatus::running);
  set_log_level(LogLevel::error);
}

TEST_CASE("saga recovery: what this program does not know is refused by name, and stays in the log") {
  set_log_level(LogLevel::off);
  Runtime runtime(1);
  const auto log = std::make_shared<MemorySagaStore>();
  const auto left = [&](std::string id, std::string saga, int version, std::string step) {
    SagaRecord record{.id = id, .saga = saga, .version = version};
    record.steps = {{std::move(step), SagaStepPhase::started}};
    log->begin({id, saga, version, record.status, write_saga_record(record)});
    log->release(id);
  };
  left("known", "test", 2, "a");
  left("other-name", "tset", 1, "a");
  left("other-version", "test", 3, "a");
  left("other-steps", "test", 2, "z");
  left("older", "test", 1, "a");
  log->begin({"broken", "test", 2, SagaStatus::running, "{"});
  log->release("broken");

  SagaRunner runner(runtime, log);
  for (const int version : {1, 2}) {
    Saga saga("test", version);
    saga.step("a").action([](SagaContext&) -> task<void> { co_return; }).nothing_to_undo().idempotent();
    runner.add(std::move(saga));
  }
  for (int i = 0; i < 2; ++i) {   // refused ones are there again
    const SagaRecovery recovery = runner.recover().get();
    CHECK(recovery.taken.size() == (i == 0 ? 2U : 0U));
    for (const SagaRun& run : recovery.taken) CHECK(run.outcome().get().completed());
    REQUIRE(recovery.refused.size() == 4);
    for (const SagaError& error : recovery.refused) {
      const std::string text = error.what();
      CAPTURE(text);
      const bool broken = text.find("saga broken ") != std::string::npos;
      CHECK(error.code() == (broken ? saga_errc::store_corrupt : saga_errc::unknown_definition));
      CHECK((broken || text.find("other-") != std::string::npos));
    }
  }
  set_log_level(LogLevel::error);
}
