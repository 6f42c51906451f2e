#pragma once
// Who lives: each owner holds a lock on its own byte of one file, which the system takes from it when it ends.

#include <chrono>
#include <cstdint>
#include <string>

namespace ferry::detail {

/// Lifetime: the lock is held as long as the object. It is the open file's, not the process's: two in one process are two owners,
///           and a child that keeps the file open (it is closed by exec) keeps the lock.
/// Errors:   `SagaStoreError` naming the file.
class OwnerLock {
 public:
  explicit OwnerLock(std::string file);
  ~OwnerLock();
  OwnerLock(const OwnerLock&) = delete;
  OwnerLock& operator=(const OwnerLock&) = delete;

  /// `owner`: a number nobody had before.
  void take(std::int64_t owner);
  /// Until `prepared`, or the end of this, no other gets past it: what makes a new log ready cannot wait for others by itself
  /// (SQLite does not, to change the journal's mode). Throws `SagaStoreError` if one does not let go within `limit`.
  void prepare_alone(std::chrono::milliseconds limit);
  void prepared();
  /// Of another one.
  bool lives(std::int64_t owner) const;

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string file_;
  int descriptor_ = -1;
};

}  // namespace ferry::detail
