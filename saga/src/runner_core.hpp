#pragma once
// What the runs of one runner share: definitions, the log and its thread, who is running, who observes.

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/saga/runner.hpp"

namespace ferry::detail {

/// Lifetime: shared by the runner and its runs.
/// Threads:  any; `add` and `observe` before the others.
class SagaRunnerCore {
 public:
  SagaRunnerCore(std::shared_ptr<SagaStore> store, SagaRunnerOptions options) : store_(std::move(store)), options_(options) {}

  void add(Saga saga);
  void observe(SagaObserver observer) { observer_ = std::move(observer); }
  /// Version 0: the newest. Throws `SagaError` (unknown_definition).
  std::shared_ptr<const Saga> definition(std::string_view name, int version) const;

  /// Runs `work(store)` on the log's thread; throws what that throws, and `SagaError` (interrupted) after `close`.
  template <class F>
  task<std::invoke_result_t<F&, SagaStore&>> with_store(F work) {
    using Result = std::invoke_result_t<F&, SagaStore&>;
    check_open();
    // Named, and no lambda coroutine: GCC 12 destroys temporaries of those twice under co_await.
    auto on_worker = call_store<Result, F>(store_.get(), std::move(work));
    if constexpr (std::is_void_v<Result>) {
      co_await asio::co_spawn(worker_.get_executor(), std::move(on_worker), asio::use_awaitable);
    } else {
      co_return co_await asio::co_spawn(worker_.get_executor(), std::move(on_worker), asio::use_awaitable);
    }
  }

  /// Room for one more, which is to be given back by `leave` or `ended`. Throws if there is none, or no new ones are taken.
  void enter(bool counted);
  void leave();
  void began(const std::shared_ptr<SagaRunState>& run);
  void ended(const std::shared_ptr<SagaRunState>& run);
  std::size_t running() const;

  void tell(const SagaEvent& event) const noexcept;

  bool stop(std::chrono::milliseconds limit);
  /// Nothing is done with the log any more. Waits for what is being done.
  void close();

 private:
  template <class Result, class F>
  static task<Result> call_store(SagaStore* store, F work) {
    co_return work(*store);
  }
  void check_open() const;
  bool wait_idle(std::chrono::milliseconds limit);

  const std::shared_ptr<SagaStore> store_;
  const SagaRunnerOptions options_;
  SagaObserver observer_;
  std::map<std::string, std::map<int, std::shared_ptr<const Saga>>, std::less<>> sagas_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t entered_ = 0;
  bool stopping_ = false;
  std::atomic<bool> closed_{false};
  std::set<std::shared_ptr<SagaRunState>> runs_;
  asio::thread_pool worker_{1};
};

}  // namespace ferry::detail
