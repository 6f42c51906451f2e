#include "transports/kafka/worker.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace ferry::kafka {

struct Worker::State : std::enable_shared_from_this<Worker::State> {
  explicit State(const spi::Loop& on) : loop(on) {}

  void work() {
    for (;;) {
      std::unique_lock lock(mutex);
      some.wait(lock, [this] { return stopped || !jobs.empty(); });
      if (stopped) return;
      do_one(lock);
    }
  }

  void do_one(std::unique_lock<std::mutex>& lock) {
    const auto job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    Outcome outcome = job(stopped);
    lock.lock();
    if (stopped) return;
    loop.post([self = shared_from_this(), outcome = std::move(outcome)] {
      if (!self->stopped) outcome();
    });
  }

  /// Where there can be no thread: the loop waits for the job.
  void post_one() {
    loop.post([self = shared_from_this()] {
      std::unique_lock lock(self->mutex);
      if (!self->stopped && !self->jobs.empty()) self->do_one(lock);
    });
  }

  const spi::Loop& loop;   // there until `stopped`
  std::mutex mutex;
  std::condition_variable some;
  std::deque<Job> jobs;
  bool started = false;
  Stopped stopped{false};   // set under the lock
};

Worker::Worker(const spi::Loop& loop) : state_(std::make_shared<State>(loop)) {}

Worker::~Worker() {
  std::deque<Job> never_run;   // they end outside of the lock
  const std::lock_guard lock(state_->mutex);
  state_->stopped = true;
  never_run.swap(state_->jobs);
  state_->some.notify_all();
}

void Worker::run(Job job) {
  const std::lock_guard lock(state_->mutex);
  state_->jobs.push_back(std::move(job));
  state_->some.notify_all();
  if (state_->started) return;
  try {
    std::thread([state = state_] { state->work(); }).detach();
    state_->started = true;
  } catch (const std::system_error&) {
    state_->post_one();
  }
}

}  // namespace ferry::kafka
