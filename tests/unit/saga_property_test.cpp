// Random sagas at services that fail in every way, in a process that dies between any two writes: whatever happens, every step is
// done in the end, or undone.

#include <algorithm>
#include <random>

#include "catch.hpp"
#include "saga_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using detail::SagaMachine;
using detail::SagaStepPlan;
using Kind = SagaMachine::Next::Kind;

namespace {

struct Scenario {
  std::vector<SagaStepPlan> plan;
  int crash_percent = 0;
  int stop_percent = 0;
  int undo_failing_percent = 0;
  int crash_at = -1;   // dies at this one of its chances to, and at no other
};

Scenario random_scenario(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Scenario scenario;
  const auto count = 1 + random() % 6;
  for (std::size_t i = 0; i < count; ++i) {
    SagaStepPlan step{"s" + std::to_string(i), random() % 2 == 0, random() % 5 != 0, {}, {}};
    step.retry.attempts = static_cast<int>(1 + random() % 4);
    step.compensation_retry.attempts = static_cast<int>(1 + random() % 6);
    scenario.plan.push_back(step);
  }
  scenario.crash_percent = static_cast<int>(random() % 4) * 7;
  scenario.stop_percent = random() % 3 == 0 ? 10 : 0;
  scenario.undo_failing_percent = static_cast<int>(random() % 3) * 30;
  return scenario;
}

/// Drives the machine as `SagaRunState` does, with a log that survives.
class Simulation {
 public:
  Simulation(const Scenario& scenario, std::uint64_t seed)
      : scenario_(scenario), seed_(seed), random_(seed + 1), world_(scenario.plan, seed + 2) {}

  void run() {
    SagaMachine machine(scenario_.plan, {.id = "x", .saga = "test"}, seed_);
    machine.begin();
    save(machine);
    while (!go(machine)) {
      ++crashes_;
      machine = SagaMachine(scenario_.plan, read_saga_record(log_), seed_ + static_cast<std::uint64_t>(crashes_));
      REQUIRE(detail::misfit(scenario_.plan, machine.record()).empty());
      machine.recover(std::chrono::system_clock::now());
      save(machine);
    }
    world_.late_ones_arrive();
    check(machine.record());
  }
  int chances_to_crash() const { return points_; }
  SagaStatus status() const { return read_saga_record(log_).status; }

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  bool dies() {
    const int point = points_++;
    return scenario_.crash_at >= 0 ? point == scenario_.crash_at : chance(scenario_.crash_percent);
  }
  void save(const SagaMachine& machine) { log_ = write_saga_record(machine.record()); }

  // False: the process died.
  bool go(SagaMachine& machine) {
    for (int turn = 0;; ++turn) {
      REQUIRE(turn < 1000);
      if (dies()) return false;   // after a write, before what it announced
      const auto next = machine.next();
      if (next.kind == Kind::finished) return true;
      if (chance(scenario_.stop_percent)) machine.stop(Failure(errc::cancelled, "cancelled"));
      if (machine.stopping()) {
        machine.give_up();
      } else {
        const auto failure = perform(next);
        if (dies()) return false;   // the answer was there, and was not written down
        if (chance(scenario_.stop_percent)) machine.stop(Failure(errc::cancelled, "cancelled"));
        if (!failure) {
          machine.succeeded({{"turn", turn}});
        } else if (const auto delay = machine.failed(*failure)) {
          REQUIRE(*delay <= 30s);
          continue;
        }
      }
      if (dies()) return false;   // decided, not written
      save(machine);
    }
  }

  std::optional<Failure> perform(const SagaMachine::Next& next) {
    const SagaRecord logged = read_saga_record(log_);
    if (next.kind == Kind::undo) {
      REQUIRE(logged.status == SagaStatus::compensating);
      for (std::size_t later = next.step + 1; later < logged.steps.size(); ++later) {   // in reverse
        const auto phase = logged.steps[later].phase;
        if (scenario_.plan[later].compensated) REQUIRE((phase != SagaStepPhase::done && phase != SagaStepPhase::unknown));
      }
      return world_.undo(next.step, scenario_.undo_failing_percent);
    }
    REQUIRE(logged.steps[next.step].phase == SagaStepPhase::started);   // write-ahead
    return world_.act(next.step);
  }

  void check(const SagaRecord& record) {
    REQUIRE(read_saga_record(log_).status == record.status);
    const bool stuck = record.status == SagaStatus::compensation_failed;
    REQUIRE(record.stuck.has_value() == stuck);
    REQUIRE(record.cause.has_value() == (record.status != SagaStatus::completed));
    bool below_stuck = false;
    for (std::size_t i = record.steps.size(); i-- > 0;) {
      const World::Step& real = world_[i];
      CAPTURE(i, record.steps[i].phase, real.executed);
      if (stuck && record.steps[i].name == record.stuck->step) below_stuck = true;
      if (record.status == SagaStatus::completed) {
        REQUIRE(real.done);
        REQUIRE(real.executed == 1);
      } else if (!below_stuck && scenario_.plan[i].compensated) {
        REQUIRE_FALSE(real.done);   // whatever the saga believes of it
      } else if (stuck && below_stuck && record.steps[i].phase == SagaStepPhase::undone) {
        FAIL("undone out of order");
      }
      if (!scenario_.plan[i].idempotent) REQUIRE(real.executed <= 1);
    }
  }

  const Scenario scenario_;
  const std::uint64_t seed_;
  std::mt19937_64 random_;
  World world_;
  std::string log_;
  int crashes_ = 0;
  int points_ = 0;
};

}  // namespace

TEST_CASE("saga: whatever fails and wherever the process dies, every step is done in the end, or undone") {
  int ended[5] = {};
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    Simulation simulation(random_scenario(seed), seed);
    simulation.run();
    ++ended[static_cast<int>(simulation.status())];
  }
  CHECK(ended[static_cast<int>(SagaStatus::completed)] > 250);
  CHECK(ended[static_cast<int>(SagaStatus::compensated)] > 250);
  CHECK(ended[static_cast<int>(SagaStatus::compensation_failed)] > 50);
}

TEST_CASE("saga: a process that dies at any one point leaves a saga that can be finished") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Scenario scenario = random_scenario(seed);
    scenario.crash_percent = 0;
    Simulation whole(scenario, seed);
    whole.run();
    for (int point = 0; point < whole.chances_to_crash(); ++point) {
      CAPTURE(seed, point);
      scenario.crash_at = point;
      Simulation(scenario, seed).run();
    }
  }
}
