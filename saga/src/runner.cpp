#include "ferry/saga/runner.hpp"

#include <cstdio>
#include <random>

#include "ferry/log.hpp"
#include "run.hpp"

namespace ferry {
namespace {

using detail::SagaMachine;
using detail::SagaRunnerCore;
using detail::SagaRunState;
using Core = std::shared_ptr<SagaRunnerCore>;

std::uint64_t random_number() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

std::string random_id() {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(random_number()),
                static_cast<unsigned long long>(random_number()));
  return text;
}

/// A place among the running, until a run takes it over.
class Place {
 public:
  Place(SagaRunnerCore& core, bool counted) : core_(&core) { core.enter(counted); }
  ~Place() {
    if (core_ != nullptr) core_->leave();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  void taken() noexcept { core_ = nullptr; }

 private:
  SagaRunnerCore* core_;
};

SagaRun launch(const Core& core, std::shared_ptr<const Saga> saga, SagaMachine machine, spi::Loop& loop, Place& place,
               SagaEvent::Kind as) {
  const bool unsaved = as == SagaEvent::Kind::recovered;
  auto run = std::make_shared<SagaRunState>(core, std::move(saga), std::move(machine), loop, unsaved);
  core->began(run);
  place.taken();
  run->launch(as);
  return SagaRun(run);
}

task<SagaRun> start_saga(Core core, spi::Loop& loop, std::string name, SagaRecord record) {
  auto saga = core->definition(name, 0);
  if (!record.state.is_object()) {
    throw SerializationError(errc::bad_payload, "saga " + name + ": its state has to be a JSON object, not " +
                             record.state.type_name(), Fate::not_sent);
  }
  Place place(*core, true);
  record.saga = saga->name();
  record.version = saga->version();
  SagaMachine machine(detail::plan_of(*saga), std::move(record), random_number());
  machine.begin();
  auto entry = detail::entry_of(machine.record());
  auto begin = core->with_store([entry = std::move(entry)](SagaStore& store) { store.begin(entry); });
  co_await std::move(begin);
  co_return launch(core, std::move(saga), std::move(machine), loop, place, SagaEvent::Kind::begun);
}

task<SagaOutcome> run_saga(task<SagaRun> starting) {
  std::optional<SagaRun> run;
  try {
    run = co_await std::move(starting);
    auto outcome = run->outcome();
    co_return co_await std::move(outcome);
  } catch (const std::system_error& error) {   // cancelled while it was begun
    if (run) run->cancel();
    if (error.code() != asio::error::operation_aborted) throw;
    throw CancelledError(errc::cancelled, run ? "saga " + run->id() + " was cancelled" : "the saga was cancelled before it began");
  } catch (...) {
    if (run) run->cancel();   // of one that has ended, without effect
    throw;
  }
}

// One that was claimed. Throws `SagaError` if this program cannot go on with it.
SagaRun take_up(const Core& core, const SagaEntry& entry, spi::Loop& loop, Place& place, bool stuck) {
  try {
    SagaRecord record = read_saga_record(entry.record);
    auto saga = core->definition(record.saga, record.version);
    auto plan = detail::plan_of(*saga);
    if (const std::string why = detail::misfit(plan, record); !why.empty()) {
      throw SagaError(saga_errc::unknown_definition, "saga " + record.saga + " version " + std::to_string(record.version) +
                      " is another one in the log: " + why + ". A changed saga needs a new version");
    }
    SagaMachine machine(std::move(plan), std::move(record), random_number());
    stuck ? machine.retry() : machine.recover(std::chrono::system_clock::now());
    return launch(core, std::move(saga), std::move(machine), loop, place, SagaEvent::Kind::recovered);
  } catch (const Error& error) {
    const bool own = error.code().category() == saga_category();
    const auto code = own ? static_cast<saga_errc>(error.code().value()) : saga_errc::store_corrupt;
    throw SagaError(code, "saga " + entry.id + " in the log was not taken up: " + error.what());
  }
}

task<SagaRecovery> recover_all(Core core, Runtime* runtime) {
  SagaRecovery recovery;
  Place all(*core, false);
  auto claim = core->with_store([](SagaStore& store) { return store.claim(); });
  const std::vector<SagaEntry> entries = co_await std::move(claim);
  std::vector<std::string> refused;
  for (const SagaEntry& entry : entries) {
    try {
      Place place(*core, false);
      recovery.taken.push_back(take_up(core, entry, runtime->next_loop(), place, false));
    } catch (const SagaError& error) {
      log(LogLevel::error, "saga " + entry.saga, error.what());
      recovery.refused.push_back(error);
      refused.push_back(entry.id);
    }
  }
  if (!refused.empty()) {
    auto release = core->with_store([&refused](SagaStore& store) {
      for (const std::string& id : refused) store.release(id);
    });
    co_await std::move(release);
  }
  co_return recovery;
}

task<SagaRun> retry_one(Core core, spi::Loop& loop, std::string id) {
  Place place(*core, false);
  auto claim = core->with_store([&id](SagaStore& store) { return store.claim_stuck(id); });
  const std::optional<SagaEntry> entry = co_await std::move(claim);
  if (!entry) throw SagaError(saga_errc::not_found, "no saga " + id + " is stuck");
  std::exception_ptr refused;
  try {
    co_return take_up(core, *entry, loop, place, true);
  } catch (const SagaError&) {
    refused = std::current_exception();
  }
  auto release = core->with_store([&id](SagaStore& store) { store.release(id); });
  co_await std::move(release);
  std::rethrow_exception(refused);
}

task<std::optional<SagaRecord>> find_one(Core core, std::string id) {
  auto find = core->with_store([&id](SagaStore& store) { return store.find(id); });
  const std::optional<SagaEntry> entry = co_await std::move(find);
  if (!entry) co_return std::nullopt;
  co_return read_saga_record(entry->record);
}

task<std::vector<SagaRecord>> list_all(Core core, SagaStatus status) {
  auto list = core->with_store([status](SagaStore& store) { return store.list(status); });
  const std::vector<SagaEntry> entries = co_await std::move(list);
  std::vector<SagaRecord> records;
  for (const SagaEntry& entry : entries) records.push_back(read_saga_record(entry.record));
  co_return records;
}

}  // namespace

const std::string& SagaRun::id() const noexcept { return state_->id(); }
Call<SagaOutcome> SagaRun::outcome() const { return {SagaRunState::outcome(state_), state_->loop()}; }
void SagaRun::cancel() const { state_->cancel(); }

SagaRunner::SagaRunner(Runtime& runtime, std::shared_ptr<SagaStore> store, SagaRunnerOptions options)
    : runtime_(&runtime), core_(std::make_shared<SagaRunnerCore>(std::move(store), options)) {}

SagaRunner::~SagaRunner() {
  core_->stop(std::chrono::milliseconds(0));
  core_->close();
}

void SagaRunner::add(Saga saga) { core_->add(std::move(saga)); }
void SagaRunner::on_event(SagaObserver observer) { core_->observe(std::move(observer)); }

Call<SagaRun> SagaRunner::start(std::string_view saga, nlohmann::json state, SagaOptions options) {
  if (state.is_null()) state = nlohmann::json::object();
  SagaRecord record{.id = options.id_.empty() ? random_id() : std::move(options.id_), .state = std::move(state)};
  if (options.deadline_) record.deadline = std::chrono::system_clock::now() + *options.deadline_;
  spi::Loop& loop = runtime_->next_loop();
  return {start_saga(core_, loop, std::string(saga), std::move(record)), loop};
}

Call<SagaOutcome> SagaRunner::run(std::string_view saga, nlohmann::json state, SagaOptions options) {
  return {run_saga(start(saga, std::move(state), std::move(options))), runtime_->next_loop()};
}

Call<SagaRecovery> SagaRunner::recover() { return {recover_all(core_, runtime_), runtime_->next_loop()}; }

Call<SagaRun> SagaRunner::retry(std::string id) {
  spi::Loop& loop = runtime_->next_loop();
  return {retry_one(core_, loop, std::move(id)), loop};
}

Call<std::optional<SagaRecord>> SagaRunner::find(std::string id) {
  return {find_one(core_, std::move(id)), runtime_->next_loop()};
}

Call<std::vector<SagaRecord>> SagaRunner::list(SagaStatus status) {
  return {list_all(core_, status), runtime_->next_loop()};
}

std::size_t SagaRunner::running() const noexcept { return core_->running(); }

bool SagaRunner::stop(std::chrono::milliseconds limit) {
  detail::refuse_to_block_on_a_loop();
  return core_->stop(limit);
}

}  // namespace ferry
