#include "ferry/saga/error.hpp"
#include "ferry/saga/store.hpp"

namespace ferry {

void MemorySagaStore::begin(const SagaEntry& entry) {
  const std::lock_guard lock(mutex_);
  if (!kept_.try_emplace(entry.id, Kept{entry}).second) {
    throw SagaError(saga_errc::duplicate_id, "saga " + entry.id + " is in the log already");
  }
}

void MemorySagaStore::save(const SagaEntry& entry) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(entry.id);
  if (found == kept_.end() || !found->second.owned) {
    throw SagaError(saga_errc::not_owner, "saga " + entry.id + " is not run here any longer");
  }
  if (is_finished(entry.status) && entry.status != SagaStatus::compensation_failed) {
    kept_.erase(found);   // memory is not the place for history
    return;
  }
  found->second = {entry, !is_finished(entry.status)};
}

std::vector<SagaEntry> MemorySagaStore::claim() {
  const std::lock_guard lock(mutex_);
  std::vector<SagaEntry> claimed;
  for (auto& [id, kept] : kept_) {
    if (kept.owned || is_finished(kept.entry.status)) continue;
    kept.owned = true;
    claimed.push_back(kept.entry);
  }
  return claimed;
}

std::optional<SagaEntry> MemorySagaStore::claim_stuck(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(id);
  if (found == kept_.end() || found->second.owned || found->second.entry.status != SagaStatus::compensation_failed) {
    return std::nullopt;
  }
  found->second.owned = true;
  return found->second.entry;
}

void MemorySagaStore::release(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = kept_.find(id); found != kept_.end()) found->second.owned = false;
}

std::optional<SagaEntry> MemorySagaStore::find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(id);
  return found == kept_.end() ? std::nullopt : std::optional(found->second.entry);
}

std::vector<SagaEntry> MemorySagaStore::list(SagaStatus status) {
  const std::lock_guard lock(mutex_);
  std::vector<SagaEntry> found;
  for (const auto& [id, kept] : kept_) {
    if (kept.entry.status == status) found.push_back(kept.entry);
  }
  return found;
}

}  // namespace ferry
