#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "ferry/spi/loop.hpp"

namespace ferry::kafka {

/// Set when nobody wants to know any more.
using Stopped = std::atomic<bool>;

/// A thread for what blocks in the driver, one job after another. It starts with the first.
///
/// Lifetime: ends with the object, which does not wait for the job that runs.
/// Threads:  the loop.
class Worker {
 public:
  /// What a job found out, to be told on the loop.
  using Outcome = std::function<void()>;
  /// Should end soon once it is stopped.
  using Job = std::function<Outcome(const Stopped&)>;

  explicit Worker(const spi::Loop& loop);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// `job` runs on the thread, and what it returns on the loop, unless the worker is gone by then.
  void run(Job job);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ferry::kafka
