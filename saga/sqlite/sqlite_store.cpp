#include "ferry/saga/sqlite_store.hpp"

#include <algorithm>
#include <set>

#include "database.hpp"
#include "ferry/saga/error.hpp"
#include "owner_lock.hpp"

namespace ferry {
namespace {

using detail::Database;
using detail::Statement;
using detail::Transaction;

constexpr int schema_version = 1;
constexpr int application_id = 0x66537361;   // "fSsa", where `file` and other programs look
constexpr std::int64_t nobody = 0;
constexpr const char* select_one = "SELECT id, saga, version, status, record FROM sagas WHERE id = ?";

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void create_schema(Database& database) {
  database.run(
      "CREATE TABLE owners (next INTEGER NOT NULL);"
      "INSERT INTO owners VALUES (1);"
      "CREATE TABLE sagas (id TEXT PRIMARY KEY, saga TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL,"
      " owner INTEGER NOT NULL, changed INTEGER NOT NULL, record TEXT NOT NULL);"   // changed: Unix time in ms
      "CREATE INDEX sagas_by_status ON sagas (status, changed);");
  database.run(("PRAGMA application_id = " + std::to_string(application_id)).c_str());
  database.run(("PRAGMA user_version = " + std::to_string(schema_version)).c_str());
}

void open_schema(Database& database) {
  const auto refuse = [&](const std::string& text) {
    throw SagaStoreError(saga_errc::store_foreign, "the log of sagas " + database.file() + ' ' + text);
  };
  Transaction transaction(database);   // of two that make the file, one comes first
  const std::int64_t tables = database.number("SELECT count(*) FROM sqlite_master");
  const std::int64_t version = database.number("PRAGMA user_version");
  if (tables == 0 && version == 0) {
    create_schema(database);
  } else if (database.number("PRAGMA application_id") != application_id) {
    refuse("is another program's database: name a file of its own");
  } else if (version != schema_version) {
    refuse("has schema " + std::to_string(version) + ", and this ferry knows " + std::to_string(schema_version) +
           ": use the ferry that wrote it until its sagas have finished, or name another file");
  }
  transaction.commit();
}

SagaStatus status_of(const std::string& name) {
  for (const auto status : {SagaStatus::running, SagaStatus::compensating, SagaStatus::completed, SagaStatus::compensated}) {
    if (to_string(status) == name) return status;
  }
  return SagaStatus::compensation_failed;
}

SagaEntry entry_in(const Statement& row) {
  return {row.text(0), row.text(1), static_cast<int>(row.number(2)), status_of(row.text(3)), row.text(4)};
}

std::vector<SagaEntry> entries_of(Statement&& query) {
  std::vector<SagaEntry> entries;
  while (query.step()) entries.push_back(entry_in(query));
  return entries;
}

}  // namespace

struct SqliteSagaStore::Impl {
  Impl(const std::filesystem::path& path, SqliteSagaOptions given)
      : options(given), database(path, static_cast<int>(given.lock_timeout.count())), lock(path.string() + "-owners") {
    lock.prepare_alone(options.lock_timeout);
    prepare();
    lock.prepared();
  }

  void prepare() {
    // Before all else: it says if this is a database at all. Durable across power cuts only together with FULL.
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    if (Statement mode(database, "PRAGMA journal_mode"); !mode.step() || mode.text(0) != "wal") {
      throw SagaStoreError(saga_errc::store_not_writable, "the log of sagas " + database.file() +
                           " cannot have a write-ahead log: it has to be on a local disk that can be written");
    }
    open_schema(database);
    if (options.max_bytes > 0) {
      const std::int64_t pages = static_cast<std::int64_t>(options.max_bytes) / database.number("PRAGMA page_size");
      database.number("PRAGMA max_page_count = " + std::to_string(std::max<std::int64_t>(pages, 1)));
    }
    Transaction transaction(database);
    me = database.number("UPDATE owners SET next = next + 1 RETURNING next - 1");
    lock.take(me);
    transaction.commit();
  }

  bool can_be_taken(std::int64_t owner, const std::string& id) const {
    return owner == me ? !held.contains(id) : owner == nobody || !lock.lives(owner);
  }

  void own(const std::string& id) {
    Statement(database, "UPDATE sagas SET owner = ? WHERE id = ?").bind(me).bind(id).step();
  }

  void delete_old() {
    const auto kept_ms = std::chrono::duration_cast<std::chrono::milliseconds>(options.keep_finished).count();
    Statement(database, "DELETE FROM sagas WHERE status IN ('completed', 'compensated') AND changed <= ?").bind(now_ms() - kept_ms).step();
  }

  SqliteSagaOptions options;
  Database database;
  detail::OwnerLock lock;
  std::int64_t me = nobody;
  std::set<std::string> held;   // those of mine that are being run; others of mine may be claimed again
};

SqliteSagaStore::SqliteSagaStore(const std::filesystem::path& file, SqliteSagaOptions options)
    : impl_(std::make_unique<Impl>(file, options)) {}
SqliteSagaStore::~SqliteSagaStore() = default;

void SqliteSagaStore::begin(const SagaEntry& entry) {
  Statement insert(impl_->database, "INSERT INTO sagas VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.bind(entry.id).bind(entry.saga).bind(static_cast<std::int64_t>(entry.version)).bind(to_string(entry.status));
  bool unique = false;
  insert.bind(impl_->me).bind(now_ms()).bind(entry.record).step_unique(unique);
  if (!unique) {
    throw SagaError(saga_errc::duplicate_id, "saga " + entry.id + " is in the log " + impl_->database.file() + " already");
  }
  impl_->held.insert(entry.id);
}

void SqliteSagaStore::save(const SagaEntry& entry) {
  const bool finished = is_finished(entry.status);
  Transaction transaction(impl_->database);
  Statement update(impl_->database, "UPDATE sagas SET status = ?, owner = ?, changed = ?, record = ? WHERE id = ? AND owner = ?");
  update.bind(to_string(entry.status)).bind(finished ? nobody : impl_->me).bind(now_ms()).bind(entry.record);
  update.bind(entry.id).bind(impl_->me).step();
  if (impl_->database.changes() != 1) {
    throw SagaError(saga_errc::not_owner, "saga " + entry.id + " in the log " + impl_->database.file() +
                    " is not this process's: it was deleted, or somebody else claimed it");
  }
  if (finished) impl_->delete_old();
  transaction.commit();
  if (finished) impl_->held.erase(entry.id);
}

std::vector<SagaEntry> SqliteSagaStore::claim() {
  Transaction transaction(impl_->database);   // of two that claim, the second sees what the first one took
  std::vector<std::string> ids;
  {
    Statement query(impl_->database,
                    "SELECT id, owner FROM sagas WHERE status IN ('running', 'compensating') ORDER BY changed");
    while (query.step()) {
      if (std::string id = query.text(0); impl_->can_be_taken(query.number(1), id)) ids.push_back(std::move(id));
    }
  }
  std::vector<SagaEntry> claimed;
  for (const std::string& id : ids) {
    impl_->own(id);
    Statement query(impl_->database, select_one);
    query.bind(id);
    if (query.step()) claimed.push_back(entry_in(query));
  }
  transaction.commit();
  impl_->held.insert(ids.begin(), ids.end());
  return claimed;
}

std::optional<SagaEntry> SqliteSagaStore::claim_stuck(const std::string& id) {
  Transaction transaction(impl_->database);
  std::optional<SagaEntry> entry = find(id);
  if (!entry || entry->status != SagaStatus::compensation_failed) return std::nullopt;
  Statement query(impl_->database, "SELECT owner FROM sagas WHERE id = ?");
  query.bind(id);
  if (!query.step() || !impl_->can_be_taken(query.number(0), id)) return std::nullopt;
  impl_->own(id);
  transaction.commit();
  impl_->held.insert(id);
  return entry;
}

void SqliteSagaStore::release(const std::string& id) {
  impl_->held.erase(id);   // first: should the write fail, this process at least may claim it again
  Statement(impl_->database, "UPDATE sagas SET owner = 0 WHERE id = ? AND owner = ?").bind(id).bind(impl_->me).step();
}

std::optional<SagaEntry> SqliteSagaStore::find(const std::string& id) {
  Statement query(impl_->database, select_one);
  query.bind(id);
  return query.step() ? std::optional(entry_in(query)) : std::nullopt;
}

std::vector<SagaEntry> SqliteSagaStore::list(SagaStatus status) {
  Statement query(impl_->database, "SELECT id, saga, version, status, record FROM sagas WHERE status = ? ORDER BY changed");
  query.bind(to_string(status));
  return entries_of(std::move(query));
}

}  // namespace ferry
