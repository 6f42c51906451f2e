#pragma once
// Waiting for what happens, with a limit; never for time to pass.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace ferry::test {

inline constexpr std::chrono::seconds patience{20};   // generous: sanitizers on a busy machine

/// A value that threads change and tests wait on.
template <class T>
class Watched {
 public:
  Watched() = default;
  explicit Watched(T value) : value_(std::move(value)) {}

  template <class F>
  void change(F edit) {
    const std::lock_guard lock(mutex_);
    edit(value_);
    changed_.notify_all();   // under the lock: whoever waits may destroy this as soon as he has it
  }
  T get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  /// True once the condition holds; false if it does not within the limit.
  template <class F>
  bool wait(F condition, std::chrono::milliseconds limit = patience) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return condition(value_); });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  T value_{};
};

class Counter : public Watched<int> {
 public:
  void add(int n = 1) { change([n](int& value) { value += n; }); }
  bool reaches(int n, std::chrono::milliseconds limit = patience) const {
    return wait([n](int value) { return value >= n; }, limit);
  }
};

}  // namespace ferry::test
