#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ferry/saga/record.hpp"

namespace ferry {

/// A saga as a log keeps it: one JSON text, and beside it what is searched for.
struct SagaEntry {
  std::string id;
  std::string saga;
  int version = 1;
  SagaStatus status = SagaStatus::running;
  std::string record;   ///< see `read_saga_record`
};

/// The log of sagas: what makes one survive its process.
///
/// A saga that is not finished belongs to the one store object that began or claimed it, so that no two processes run it at
/// once. What is saved is there after a crash before the call returns.
///
/// Threads: one caller at a time. Every function may block: `SagaRunner` calls them on a thread of its own.
/// Errors:  `SagaStoreError`, which names the log and says what to do; nothing is changed then.
class SagaStore {
 public:
  virtual ~SagaStore() = default;

  /// A new saga, owned by this store. Throws `SagaError` (duplicate_id) if there is one with that id.
  virtual void begin(const SagaEntry& entry) = 0;
  /// One that this store owns; no longer, once it is finished. Throws `SagaError` (not_owner) if it does not own it.
  virtual void save(const SagaEntry& entry) = 0;
  /// Every unfinished saga that nobody runs: its owner has ended, or released it. They are this store's now.
  virtual std::vector<SagaEntry> claim() = 0;
  /// The same for one that is stuck. Nothing if it is not there, not stuck, or somebody else's by now.
  virtual std::optional<SagaEntry> claim_stuck(const std::string& id) = 0;
  /// Whoever claims next may have it.
  virtual void release(const std::string& id) = 0;
  virtual std::optional<SagaEntry> find(const std::string& id) = 0;
  /// Those with that status, the oldest change first.
  virtual std::vector<SagaEntry> list(SagaStatus status) = 0;
};

/// Keeps sagas as long as itself, and only the unfinished and the stuck: for tests, and for sagas that need not survive.
/// Threads: any.
class MemorySagaStore final : public SagaStore {
 public:
  void begin(const SagaEntry& entry) override;
  void save(const SagaEntry& entry) override;
  std::vector<SagaEntry> claim() override;
  std::optional<SagaEntry> claim_stuck(const std::string& id) override;
  void release(const std::string& id) override;
  std::optional<SagaEntry> find(const std::string& id) override;
  std::vector<SagaEntry> list(SagaStatus status) override;

 private:
  struct Kept {
    SagaEntry entry;
    bool owned = true;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;
};

}  // namespace ferry
