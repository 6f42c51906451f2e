#pragma once
// A file of SQLite's, and its errors as ferry's.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace ferry::detail {

struct SqliteCloser {
  void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};

/// Threads: one caller at a time.
/// Errors:  every function throws `SagaStoreError`, which names the file and says what to do.
class Database {
 public:
  Database(const std::filesystem::path& file, int lock_timeout_ms);

  const std::string& file() const noexcept { return file_; }
  void run(const char* sql);
  /// The first value of the first row; 0 if there is none.
  std::int64_t number(const std::string& sql);
  /// How many rows the last statement changed.
  int changes() const noexcept { return sqlite3_changes(handle_.get()); }
  sqlite3* handle() const noexcept { return handle_.get(); }
  [[noreturn]] void fail(const std::string& doing) const;

 private:
  friend class Statement;
  std::string file_;
  std::unique_ptr<sqlite3, SqliteCloser> handle_;
};

/// Values are bound in the order of the question marks.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  /// True: there is a row. Throws.
  bool step();
  /// The same, but false in `unique` for a row that is there already.
  void step_unique(bool& unique);
  std::string text(int column) const;
  std::int64_t number(int column) const { return sqlite3_column_int64(handle_.get(), column); }

 private:
  Database& database_;
  std::unique_ptr<sqlite3_stmt, SqliteCloser> handle_;
  int bound_ = 0;
};

/// All of it, or nothing. Takes the write lock at once, so that it cannot be refused in the middle.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database_.run("BEGIN IMMEDIATE"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool done_ = false;
};

}  // namespace ferry::detail
