#include "ferry/runtime.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include "ferry/log.hpp"

namespace ferry {
namespace {

[[gnu::tls_model("initial-exec")]] thread_local const spi::Loop* current_loop = nullptr;

class OwnLoop final : public spi::Loop {
 public:
  OwnLoop() : OwnLoop(std::make_unique<asio::io_context>(1)) {}

  bool in_loop() const noexcept override { return current_loop == this; }
  void run() {
    current_loop = this;
    for (;;) {
      try {
        context_->run();
        return;
      } catch (const std::exception& error) {
        // Handlers catch what users throw; this is a completion handler of a user's own, and must not end the loop.
        log(LogLevel::error, "runtime", std::string("an exception left a completion handler: ") + error.what());
      }
    }
  }
  void release_work() { work_.reset(); }
  void halt() { context_->stop(); }

 private:
  explicit OwnLoop(std::unique_ptr<asio::io_context> context)
      : Loop(context->get_executor()), context_(std::move(context)), work_(context_->get_executor()) {}

  std::unique_ptr<asio::io_context> context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
};

/// A loop on the program's executor; the strand keeps it serial however many threads run that.
class ForeignLoop final : public spi::Loop {
 public:
  explicit ForeignLoop(const asio::any_io_executor& executor) : ForeignLoop(asio::make_strand(executor)) {}
  bool in_loop() const noexcept override { return strand_.running_in_this_thread(); }

 private:
  explicit ForeignLoop(asio::strand<asio::any_io_executor> strand) : Loop(strand), strand_(std::move(strand)) {}
  asio::strand<asio::any_io_executor> strand_;
};

/// Threads that can be waited for with a limit.
class Crew {
 public:
  template <class F>
  void add(F function) {
    {
      const std::lock_guard lock(mutex_);
      ++running_;
    }
    threads_.emplace_back([this, function = std::move(function)]() mutable {
      function();
      const std::lock_guard lock(mutex_);
      --running_;
      ended_.notify_all();
    });
  }
  bool join(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    const bool all = ended_.wait_for(lock, limit, [this] { return running_ == 0; });
    lock.unlock();
    for (std::thread& thread : threads_) all ? thread.join() : thread.detach();
    threads_.clear();
    return all;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

const spi::Loop* spi::Loop::current() noexcept { return current_loop; }

struct Runtime::Impl {
  std::vector<std::unique_ptr<OwnLoop>> own;
  std::unique_ptr<ForeignLoop> foreign;
  std::vector<spi::Loop*> loops;
  std::atomic<std::size_t> turn{0};
  std::size_t worker_count = 1;
  std::once_flag pool_started;
  asio::io_context pool_context;
  asio::executor_work_guard<asio::io_context::executor_type> pool_work{pool_context.get_executor()};
  bool stopped = false;
  Crew crew;   // declared last: its threads use everything above
};

Runtime::Runtime(std::size_t threads, std::size_t workers) : impl_(std::make_shared<Impl>()) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t count = threads == 0 ? cores : threads;
  impl_->worker_count = workers == 0 ? count : workers;
  for (std::size_t i = 0; i < count; ++i) impl_->own.push_back(std::make_unique<OwnLoop>());
  for (const auto& loop : impl_->own) {
    impl_->loops.push_back(loop.get());
    impl_->crew.add([target = loop.get()] { target->run(); });
  }
}

Runtime::Runtime(asio::any_io_executor executor) : impl_(std::make_shared<Impl>()) {
  impl_->worker_count = std::max(1U, std::thread::hardware_concurrency());
  impl_->foreign = std::make_unique<ForeignLoop>(executor);
  impl_->loops.push_back(impl_->foreign.get());
}

Runtime::~Runtime() { stop(std::chrono::seconds(5)); }

const std::vector<spi::Loop*>& Runtime::loops() const noexcept { return impl_->loops; }

spi::Loop& Runtime::next_loop() noexcept {
  return *impl_->loops[impl_->turn.fetch_add(1, std::memory_order_relaxed) % impl_->loops.size()];
}

asio::any_io_executor Runtime::pool() {
  std::call_once(impl_->pool_started, [this] {
    for (std::size_t i = 0; i < impl_->worker_count; ++i) {
      impl_->crew.add([context = &impl_->pool_context] { context->run(); });
    }
  });
  return impl_->pool_context.get_executor();
}

bool Runtime::stop(std::chrono::milliseconds limit) {
  if (std::exchange(impl_->stopped, true)) return true;
  for (const auto& loop : impl_->own) {
    loop->release_work();
    loop->halt();
  }
  impl_->pool_work.reset();
  impl_->pool_context.stop();
  if (impl_->crew.join(limit)) return true;
  log(LogLevel::error, "runtime", "a handler did not return in time; its thread is left behind");
  new std::shared_ptr<Impl>(impl_);   // what it uses must outlive this process' use of it: leaked on purpose
  return false;
}

}  // namespace ferry
