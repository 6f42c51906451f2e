#include "machine.hpp"

#include "catch.hpp"
#include "ferry/saga/error.hpp"
#include "saga_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using detail::SagaMachine;
using detail::SagaStepPlan;
using Kind = SagaMachine::Next::Kind;
using Phase = SagaStepPhase;

namespace {

SagaMachine machine_of(std::vector<SagaStepPlan> plan) {
  SagaMachine machine(std::move(plan), {.id = "x", .saga = "test"}, 1);
  machine.begin();
  return machine;
}

std::vector<SagaStepPlan> two_steps() { return {{"a", false, true, {}, {}}, {"b", false, true, {}, {}}}; }

std::vector<Phase> phases(const SagaMachine& machine) {
  std::vector<Phase> all;
  for (const SagaStepRecord& step : machine.record().steps) all.push_back(step.phase);
  return all;
}

}  // namespace

TEST_CASE("saga machine: the end of a step and the start of the next are one change") {
  SagaMachine machine = machine_of(two_steps());
  CHECK(phases(machine) == std::vector{Phase::started, Phase::waiting});
  machine.succeeded({{"a", 1}});
  CHECK(phases(machine) == std::vector{Phase::done, Phase::started});
  machine.succeeded({{"a", 1}, {"b", 2}});
  CHECK(machine.record().status == SagaStatus::completed);
  CHECK(machine.record().state == nlohmann::json({{"a", 1}, {"b", 2}}));
  CHECK(machine.next().kind == Kind::finished);
}

TEST_CASE("saga machine: what was answered was not done, what was not is undone too") {
  SagaMachine machine = machine_of(two_steps());
  machine.succeeded({});
  SECTION("answered") {
    CHECK_FALSE(machine.failed(answered()));
    CHECK(phases(machine) == std::vector{Phase::done, Phase::failed});
    CHECK(machine.next().step == 0);
  }
  SECTION("not answered") {
    CHECK_FALSE(machine.failed(lost()));   // not idempotent: not again
    CHECK(phases(machine) == std::vector{Phase::done, Phase::unknown});
    CHECK(machine.next().step == 1);
    machine.succeeded({});
  }
  CHECK(machine.next().kind == Kind::undo);
  CHECK(machine.record().cause->step == "b");
  machine.succeeded({});
  CHECK(machine.record().status == SagaStatus::compensated);
}

TEST_CASE("saga machine: an answer does not make up for the attempt before it, which had none") {
  SagaMachine machine = machine_of({{"a", true, true, {.attempts = 2}, {}}});
  CHECK(machine.failed(lost()));
  CHECK(machine.next().attempt == 2);
  CHECK_FALSE(machine.failed(answered()));
  CHECK(phases(machine) == std::vector{Phase::unknown});
}

TEST_CASE("saga machine: an answer says that it was not done, if it is one to every attempt of the client's") {
  CHECK_FALSE(detail::may_be_done(answered()));
  CHECK_FALSE(detail::may_be_done(Failure(errc::no_handler, "nobody", Fate::not_sent)));
  CHECK_FALSE(detail::may_be_done(Failure(errc::no_handler, "no such handler", Fate::confirmed)));
  CHECK(detail::may_be_done(answered_at_last()));
  CHECK(detail::may_be_done(gone_at_last()));
}

TEST_CASE("saga machine: a handler that fell over may have done its work before; one that answers an error has not") {
  CHECK(detail::may_be_done(fallen_over()));
  Failure failure = fallen_over();
  failure.remote_body = R"({"status":"error","message":"out of stock"})";
  CHECK_FALSE(detail::may_be_done(failure));
  failure.remote_body = R"(["Internal server error"])";
  CHECK_FALSE(detail::may_be_done(failure));
  SagaMachine machine = machine_of({{"a", false, true, {.attempts = 5, .which = [](const Failure&) { return true; }}, {}}});
  CHECK_FALSE(machine.failed(fallen_over()));   // not idempotent: not again
  CHECK(phases(machine) == std::vector{Phase::unknown});
  CHECK(machine.next().kind == Kind::undo);
}

TEST_CASE("saga machine: attempts wait longer and longer, with jitter, up to a limit") {
  SagaMachine machine = machine_of({{"a", false, true, {.attempts = 8, .backoff = 100ms, .max_backoff = 1000ms}, {}}});
  auto full = 100ms;
  for (int i = 1; i < 8; ++i) {
    const auto delay = machine.failed(unsent());   // nothing left: again, idempotent or not
    REQUIRE(delay);
    CHECK(*delay >= full / 2);
    CHECK(*delay <= full);
    full = std::min(2 * full, std::chrono::milliseconds(1000));
  }
  CHECK_FALSE(machine.failed(unsent()));
  CHECK(machine.record().status == SagaStatus::compensated);   // nothing was done
}

TEST_CASE("saga machine: the policy says which failures are worth another attempt, not whether one is safe") {
  const auto always = [](const Failure&) { return true; };
  SagaMachine machine = machine_of({{"a", false, true, {.attempts = 5, .which = always}, {}}});
  CHECK(machine.failed(answered()));
  CHECK_FALSE(machine.failed(lost()));
}

TEST_CASE("saga machine: a compensation that fails for good is stuck, named, and can be retried") {
  auto plan = two_steps();
  plan[0].compensation_retry.attempts = 2;
  SagaMachine machine = machine_of(plan);
  machine.succeeded({});
  CHECK_FALSE(machine.failed(answered()));
  CHECK(machine.failed(answered()));   // of a compensation, any failure
  CHECK_FALSE(machine.failed(lost()));
  CHECK(machine.record().status == SagaStatus::compensation_failed);
  CHECK(machine.record().stuck->step == "a");
  CHECK(machine.record().cause->step == "b");
  CHECK(machine.next().kind == Kind::finished);

  SagaMachine again(plan, machine.record(), 2);
  again.retry();
  CHECK(again.next().kind == Kind::undo);
  again.succeeded({});
  CHECK(again.record().status == SagaStatus::compensated);
}

TEST_CASE("saga machine: stopped, it turns back instead of going on, but not when all is done") {
  const Failure cancelled(errc::cancelled, "cancelled");
  SagaMachine machine = machine_of(two_steps());
  machine.stop(cancelled);
  CHECK(machine.stopping());
  SECTION("under way, and it succeeds") {
    machine.succeeded({});
    CHECK(phases(machine) == std::vector{Phase::done, Phase::failed});
    CHECK(machine.record().cause->failure.code == errc::cancelled);
    CHECK(machine.next().kind == Kind::undo);
  }
  SECTION("between attempts") {
    machine.give_up();
    CHECK(machine.record().status == SagaStatus::compensated);
  }
  SECTION("at the last step") {
    SagaMachine last = machine_of({{"a", false, true, {}, {}}});
    last.stop(cancelled);
    last.succeeded({});
    CHECK(last.record().status == SagaStatus::completed);
  }
}

TEST_CASE("saga machine: after a crash a step that had begun is done again if it is idempotent, else undone") {
  auto plan = two_steps();
  SagaMachine machine = machine_of(plan);
  machine.succeeded({});
  const auto now = std::chrono::system_clock::now();
  SECTION("idempotent") {
    plan[1].idempotent = true;
    SagaMachine again(plan, machine.record(), 2);
    again.recover(now);
    CHECK(again.next().kind == Kind::act);
    CHECK(again.next().step == 1);
    CHECK_FALSE(again.failed(answered()));
    CHECK(phases(again) == std::vector{Phase::done, Phase::unknown});   // of before the crash nobody knows
  }
  SECTION("not idempotent") {
    SagaMachine again(plan, machine.record(), 2);
    again.recover(now);
    CHECK(again.next().kind == Kind::undo);
    CHECK(again.next().step == 1);
    CHECK(again.record().cause->failure.code == saga_errc::interrupted);
  }
  SECTION("out of time") {
    plan[1].idempotent = true;
    SagaRecord record = machine.record();
    record.deadline = now - 1ms;
    SagaMachine again(plan, record, 2);
    again.recover(now);
    CHECK(again.next().kind == Kind::undo);
    CHECK(again.record().cause->failure.code == errc::timed_out);
  }
}

TEST_CASE("saga machine: a record of other steps is told") {
  const auto plan = two_steps();
  SagaRecord record = machine_of(plan).record();
  CHECK(detail::misfit(plan, record).empty());
  CHECK(detail::misfit({plan[0]}, record) == "it has 2 steps, the program's 1");
  CHECK(detail::misfit({plan[1], plan[0]}, record) == "it has a step \"a\" where the program's has \"b\"");
  record.steps[0].phase = Phase::waiting;
  CHECK(detail::misfit(plan, record) == "of its steps 0 are under way");
  record.status = SagaStatus::compensating;
  CHECK(detail::misfit(plan, record) == "it is compensating, with nothing to compensate");
}

TEST_CASE("saga record: is read as it was written, and nothing else is") {
  SagaRecord record{.id = "x-1", .saga = "test", .version = 3, .status = SagaStatus::compensation_failed};
  record.state = {{"n", 1}};
  record.steps = {{"a", Phase::unknown}, {"b", Phase::failed}};
  record.deadline = std::chrono::system_clock::time_point(1234567ms);
  record.cause = SagaProblem{"b", RpcError(nlohmann::json{{"code", 7}}).failure()};
  record.stuck = SagaProblem{"a", lost()};
  const SagaRecord read = read_saga_record(write_saga_record(record));
  CHECK(write_saga_record(read) == write_saga_record(record));
  CHECK(read.deadline == record.deadline);
  CHECK(read.cause->failure.code == errc::rejected);
  CHECK(read.cause->failure.remote_body == R"({"code":7})");
  CHECK(read.stuck->failure.code == errc::timed_out);
  CHECK(read.stuck->failure.fate == Fate::unknown);

  for (const char* text : {"", "{", "[]", "{}", R"({"id":"x","saga":"s","version":1,"status":"lost","state":0,"steps":[]})",
                           R"({"id":"x","saga":"s","version":1,"status":"running","state":0,"steps":[{"name":1}]})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_saga_record(text), SagaStoreError);
  }
}
