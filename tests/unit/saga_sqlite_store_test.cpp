#include "ferry/saga/sqlite_store.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <thread>

#include "../support/scratch.hpp"
#include "catch.hpp"
#include "ferry/saga/error.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

SagaEntry entry(std::string id, SagaStatus status = SagaStatus::running) { return {std::move(id), "test", 1, status, "{}"}; }

/// Another program at the same file.
class Other {
 public:
  explicit Other(const std::string& file) { REQUIRE(sqlite3_open(file.c_str(), &handle_) == SQLITE_OK); }
  ~Other() { sqlite3_close(handle_); }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  void run(const char* sql) { REQUIRE(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) == SQLITE_OK); }

 private:
  sqlite3* handle_ = nullptr;
};

/// The error's text, which has to name the file.
template <class F>
std::string refusal(saga_errc code, const std::string& file, F&& call) {
  try {
    std::forward<F>(call)();
  } catch (const SagaStoreError& error) {
    INFO(error.what());
    CHECK(error.code() == code);
    CHECK(std::string(error.what()).find(file) != std::string::npos);
    return error.what();
  }
  FAIL("no SagaStoreError");
  return {};
}

}  // namespace

TEST_CASE("saga sqlite: what was saved is there for the next process, and finished ones stay to be looked at") {
  const ScratchDirectory directory;
  const std::string file = directory.path() + "/sagas.db";
  {
    SqliteSagaStore store(file);
    store.begin(entry("a"));
    store.begin(entry("b"));
    store.begin(entry("c"));
    SagaEntry saved = entry("a", SagaStatus::compensating);
    saved.record = R"({"state":"über"})";
    store.save(saved);
    store.save(entry("b", SagaStatus::completed));
    store.save(entry("c", SagaStatus::compensation_failed));
    CHECK(store.claim().empty());   // they run here
  }
  SqliteSagaStore store(file);
  const auto claimed = store.claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].id == "a");
  CHECK(claimed[0].saga == "test");
  CHECK(claimed[0].version == 1);
  CHECK(claimed[0].status == SagaStatus::compensating);
  CHECK(claimed[0].record == R"({"state":"über"})");
  CHECK(store.find("b")->status == SagaStatus::completed);
  CHECK_FALSE(store.find("d"));
  CHECK(store.list(SagaStatus::compensation_failed).size() == 1);
  CHECK_FALSE(store.claim_stuck("a"));
  CHECK_FALSE(store.claim_stuck("d"));
  CHECK(store.claim_stuck("c")->id == "c");
  CHECK_FALSE(store.claim_stuck("c"));   // taken
  CHECK_THROWS_AS(store.begin(entry("b")), SagaError);
}

TEST_CASE("saga sqlite: a saga is its owner's until that ends or lets go") {
  const ScratchDirectory directory;
  const std::string file = directory.path() + "/sagas.db";
  SqliteSagaStore second(file);
  {
    SqliteSagaStore first(file);
    first.begin(entry("a"));
    first.begin(entry("b"));
    CHECK(second.claim().empty());
    first.release("b");
    CHECK(second.claim().size() == 1);
    CHECK(first.claim().empty());
    CHECK_THROWS_AS(first.save(entry("b")), SagaError);   // not its own any longer
    CHECK_THROWS_AS(second.save(entry("a")), SagaError);
    first.save(entry("a"));
  }
  CHECK(second.claim().size() == 1);   // the first one has ended
  second.save(entry("a", SagaStatus::completed));
  CHECK_THROWS_AS(second.save(entry("a", SagaStatus::completed)), SagaError);
}

TEST_CASE("saga sqlite: of many that recover at once, each saga is one's") {
  const ScratchDirectory directory;
  const std::string file = directory.path() + "/sagas.db";
  constexpr std::size_t sagas = 40;
  {
    SqliteSagaStore store(file);
    for (std::size_t i = 0; i < sagas; ++i) store.begin(entry(std::to_string(i)));
  }
  std::vector<std::vector<SagaEntry>> claimed(4);
  std::vector<std::unique_ptr<SqliteSagaStore>> stores;
  for (std::size_t i = 0; i < claimed.size(); ++i) stores.push_back(std::make_unique<SqliteSagaStore>(file));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < claimed.size(); ++i) {
      threads.emplace_back([&, i] { claimed[i] = stores[i]->claim(); });
    }
  }
  std::size_t total = 0;
  for (const auto& some : claimed) total += some.size();
  CHECK(total == sagas);
}

TEST_CASE("saga sqlite: of many that open a new file at once, each gets it") {
  for (int round = 0; round < 5; ++round) {
    const ScratchDirectory directory;
    std::vector<std::string> errors(4);
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < errors.size(); ++i) {
        threads.emplace_back([&, i] {
          try {
            SqliteSagaStore store(directory.path() + "/sagas.db");
            store.begin(entry(std::to_string(i)));
          } catch (const std::exception& error) {
            errors[i] = error.what();
          }
        });
      }
    }
    CHECK(errors == std::vector<std::string>(4));
    CHECK(SqliteSagaStore(directory.path() + "/sagas.db").claim().size() == 4);
  }
}

TEST_CASE("saga sqlite: finished sagas go after a while, unfinished and stuck ones never") {
  const ScratchDirectory directory;
  SqliteSagaStore store(directory.path() + "/sagas.db", {.keep_finished = 0h});
  for (const char* id : {"done", "undone", "stuck", "running"}) store.begin(entry(id));
  store.save(entry("stuck", SagaStatus::compensation_failed));
  store.save(entry("done", SagaStatus::completed));
  store.save(entry("undone", SagaStatus::compensated));
  CHECK_FALSE(store.find("done"));
  CHECK_FALSE(store.find("undone"));
  CHECK(store.find("stuck"));
  CHECK(store.find("running"));
}

TEST_CASE("saga sqlite: each way the file can fail is told, with its name and what to do") {
  const ScratchDirectory directory;
  const std::string file = directory.path() + "/sagas.db";
  SECTION("locked") {
    SqliteSagaStore store(file, {.lock_timeout = 10ms});
    Other other(file);
    other.run("BEGIN IMMEDIATE");
    CHECK(refusal(saga_errc::store_locked, file, [&] { store.begin(entry("a")); }).find("lock_timeout") != std::string::npos);
    CHECK_FALSE(store.find("a"));
    other.run("COMMIT");
    store.begin(entry("a"));
  }
  SECTION("full") {
    SqliteSagaStore store(file, {.max_bytes = 64 * 1024});
    store.begin(entry("a"));
    SagaEntry large = entry("b");
    large.record.assign(100000, 'x');
    CHECK(refusal(saga_errc::store_full, file, [&] { store.begin(large); }).find("max_bytes") != std::string::npos);
    large.id = "a";
    refusal(saga_errc::store_full, file, [&] { store.save(large); });
    CHECK(store.find("a")->record == "{}");
    store.save(entry("a", SagaStatus::completed));   // what fits goes on
  }
  SECTION("corrupt") {
    directory.write("sagas.db", std::string(8192, 'x'));
    refusal(saga_errc::store_corrupt, file, [&] { SqliteSagaStore store(file); });
  }
  SECTION("no directory") {
    const std::string missing = directory.path() + "/none/sagas.db";
    refusal(saga_errc::store_not_writable, missing, [&] { SqliteSagaStore store(missing); });
  }
  SECTION("nowhere to write, not even for root") {
    refusal(saga_errc::store_not_writable, "/proc/sagas.db", [&] { SqliteSagaStore store("/proc/sagas.db"); });
  }
  SECTION("a directory in its place") {
    refusal(saga_errc::store_not_writable, directory.path(), [&] { SqliteSagaStore store(directory.path()); });
  }
  SECTION("read-only") {
    { SqliteSagaStore store(file); }
    REQUIRE(::chmod(directory.path().c_str(), 0555) == 0);
    REQUIRE(::chmod(file.c_str(), 0444) == 0);
    // Root may write anything.
    if (::geteuid() != 0) refusal(saga_errc::store_not_writable, file, [&] { SqliteSagaStore store(file); });
    REQUIRE(::chmod(directory.path().c_str(), 0755) == 0);
  }
  SECTION("another program's") {
    Other(file).run("CREATE TABLE accounts (id INTEGER)");
    refusal(saga_errc::store_foreign, file, [&] { SqliteSagaStore store(file); });
  }
  SECTION("of another version") {
    { SqliteSagaStore store(file); }
    Other(file).run("PRAGMA user_version = 7");
    CHECK(refusal(saga_errc::store_foreign, file, [&] { SqliteSagaStore store(file); }).find("schema 7") != std::string::npos);
  }
  SECTION("changed behind its back") {
    SqliteSagaStore store(file);
    store.begin(entry("a"));
    Other(file).run("DELETE FROM sagas");
    CHECK_THROWS_AS(store.save(entry("a")), SagaError);
    Other(file).run("DROP TABLE sagas");
    refusal(saga_errc::store_failed, file, [&] { store.begin(entry("a")); });
  }
}
