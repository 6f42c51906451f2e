#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/saga/store.hpp"

namespace ferry {

struct SqliteSagaOptions {
  std::chrono::milliseconds lock_timeout{5000};   ///< how long a write waits for another process's
  std::chrono::hours keep_finished{24 * 7};       ///< completed and compensated sagas are deleted this long after their end
  std::uint64_t max_bytes = 0;                    ///< of the file, without what was not checkpointed yet; 0: no limit
};

/// The log of sagas in an SQLite file, made if it is not there: `SqliteSagaStore("orders.db")`. Its directory must be there.
///
/// Durable: what is saved is on disk before the call returns (WAL, synchronous=FULL), in one transaction a call.
/// Several processes of one machine may share the file. Each holds a lock of the operating system's, in `orders.db-owners`,
/// for as long as it lives: a saga can be claimed the moment its process has ended, however it ended, and never before, even if
/// that process is stopped or slow. Not for network file systems, which promise neither.
///
/// Threads: one caller at a time.
/// Errors:  `SagaStoreError`, also from the constructor: locked, full, corrupt, not writable, or another program's file.
class SqliteSagaStore final : public SagaStore {
 public:
  explicit SqliteSagaStore(const std::filesystem::path& file, SqliteSagaOptions options = {});
  ~SqliteSagaStore() override;

  void begin(const SagaEntry& entry) override;
  void save(const SagaEntry& entry) override;
  std::vector<SagaEntry> claim() override;
  std::optional<SagaEntry> claim_stuck(const std::string& id) override;
  void release(const std::string& id) override;
  std::optional<SagaEntry> find(const std::string& id) override;
  std::vector<SagaEntry> list(SagaStatus status) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferry
