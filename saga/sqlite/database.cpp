#include "database.hpp"

#include "ferry/saga/error.hpp"

namespace ferry::detail {
namespace {

struct Meaning {
  saga_errc code;
  const char* advice;
};

Meaning meaning_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {saga_errc::store_locked, "another process kept it locked for longer than lock_timeout: see which has it open, and what "
                                       "it does there"};
    case SQLITE_FULL:
      return {saga_errc::store_full, "the disk, or max_bytes, is full: make room; what could not be written was not begun"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {saga_errc::store_corrupt, "it is damaged, or no SQLite file: keep it aside, `sqlite3 FILE .recover` may read it; the "
                                        "sagas in it have to be looked after by hand"};
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {saga_errc::store_not_writable, "the file and its directory have to be there and writable, SQLite keeps two more files "
                                             "beside it"};
    default: return {saga_errc::store_failed, "see the system's log for errors of that disk"};
  }
}

}  // namespace

Database::Database(const std::filesystem::path& file, int lock_timeout_ms) : file_(file.string()) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(file_.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  handle_.reset(handle);
  if (result != SQLITE_OK) fail("cannot be opened");
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, lock_timeout_ms);
}

void Database::run(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot be worked with");
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.number(0) : 0;
}

void Database::fail(const std::string& doing) const {
  const int result = handle_ ? sqlite3_extended_errcode(handle_.get()) : SQLITE_NOMEM;
  const char* const words = handle_ ? sqlite3_errmsg(handle_.get()) : "out of memory";
  const auto [code, advice] = meaning_of(result);
  throw SagaStoreError(code, "the log of sagas " + file_ + ' ' + doing + ": " + words + " (SQLite " + std::to_string(result) + "); " +
                                 advice);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v2(database.handle_.get(), sql.data(), static_cast<int>(sql.size()), &handle, nullptr) != SQLITE_OK) {
    database_.fail("cannot be read");
  }
  handle_.reset(handle);
}

Statement& Statement::bind(std::string_view text) {
  if (sqlite3_bind_text64(handle_.get(), ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK) {
    database_.fail("cannot be given a text of " + std::to_string(text.size()) + " bytes");
  }
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(handle_.get(), ++bound_, number);
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(handle_.get());
  if (result != SQLITE_ROW && result != SQLITE_DONE) database_.fail("cannot be read or written");
  return result == SQLITE_ROW;
}

void Statement::step_unique(bool& unique) {
  const int result = sqlite3_step(handle_.get());
  unique = result != SQLITE_CONSTRAINT_PRIMARYKEY && result != SQLITE_CONSTRAINT_UNIQUE;
  if (unique && result != SQLITE_DONE) database_.fail("cannot be written");
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)));
}

Transaction::~Transaction() {
  // Some errors have rolled it back already; then this one says so, and nothing else.
  if (!done_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  done_ = true;
}

}  // namespace ferry::detail
