#include "ferry/detail/batch_handler.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

namespace ferry::detail {

/// What waits of one service, and whether a batch of it runs.
struct BatchCollector::Group {
  explicit Group(ServiceHooks& of) : service(of) {}

  ServiceHooks& service;
  Batch waiting;
  std::uint64_t number = 0;   // of the batch that is gathered
  std::shared_ptr<asio::steady_timer> timer;   // of the same
  bool running = false;
  bool due = false;   // what waits must not wait longer than for the batch that runs
};

BatchCollector::BatchCollector(BatchOptions options) : options_(options) {
  if (options.max == 0 || options.wait.count() < 0) {
    throw std::invalid_argument("ferry: BatchOptions: max must be 1 or more, and wait not negative; they are " +
                                std::to_string(options.max) + " and " + std::to_string(options.wait.count()) + " ms");
  }
  batch = options.max;
}

BatchCollector::~BatchCollector() = default;

BatchCollector::Group& BatchCollector::group_of(ServiceHooks& service) {
  const auto same = [&service](const auto& group) { return &group->service == &service; };
  const auto found = std::find_if(groups_.begin(), groups_.end(), same);
  return found != groups_.end() ? **found : *groups_.emplace_back(std::make_unique<Group>(service));
}

void BatchCollector::invoke(Invocation invocation) {
  const std::lock_guard lock(mutex_);
  Group& group = group_of(invocation.service());
  group.waiting.push_back(std::move(invocation));
  if (group.waiting.size() == 1) arm(group);
  if (!group.running && group.waiting.size() >= options_.max) launch(group);
}

void BatchCollector::flush(const ServiceHooks& service) {
  const std::lock_guard lock(mutex_);
  for (const auto& group : groups_) {
    if (&group->service != &service || group->waiting.empty()) continue;
    group->due = true;
    if (!group->running) launch(*group);
  }
}

void BatchCollector::discard(const ServiceHooks& service) {
  Batch abandoned;   // ends outside the mutex
  const std::lock_guard lock(mutex_);
  for (const auto& group : groups_) {
    if (&group->service == &service) abandoned.swap(group->waiting);
  }
}

void BatchCollector::launch(Group& group) {
  Batch taken = std::move(group.waiting);
  group.waiting.clear();
  if (taken.size() > options_.max) {
    const auto rest = taken.begin() + static_cast<std::ptrdiff_t>(options_.max);
    group.waiting = Batch(std::make_move_iterator(rest), std::make_move_iterator(taken.end()));
    while (taken.size() > options_.max) taken.pop_back();
  }
  ++group.number;
  group.running = true;
  group.due = false;
  const spi::Loop& loop = taken.front().delivery()->loop();
  if (group.timer) loop.post([timer = std::exchange(group.timer, nullptr)] { timer->cancel(); });
  if (!group.waiting.empty()) arm(group);
  // Posted: `co_spawn` would begin here and now on a loop of its own.
  const asio::any_io_executor executor = group.service.handler_executor(loop);
  asio::post(executor, [this, &group, executor, events = std::move(taken)]() mutable {
    asio::co_spawn(executor, drive(group, std::move(events)), asio::detached);
  });
}

task<void> BatchCollector::drive(Group& group, Batch taken) {
  try {
    co_await run(std::move(taken));
  } catch (...) {}   // no memory: what was not ended has failed by itself
  const std::lock_guard lock(mutex_);
  group.running = false;
  if (!group.waiting.empty() && (group.due || group.waiting.size() >= options_.max)) launch(group);
}

/// The time of what waits begins.
void BatchCollector::arm(Group& group) {
  const spi::Loop& loop = group.waiting.front().delivery()->loop();
  loop.post([weak = weak_from_this(), &group, &loop, number = group.number] {
    const auto self = std::static_pointer_cast<BatchCollector>(weak.lock());
    if (!self) return;
    const std::lock_guard lock(self->mutex_);
    if (group.number != number) return;   // it did not have to wait
    auto timer = std::make_shared<asio::steady_timer>(loop.executor(), self->options_.wait);
    group.timer = timer;
    timer->async_wait([weak, &group, number, timer](std::error_code) {
      if (const auto alive = weak.lock()) alive->due(group, number);
    });
  });
}

void BatchCollector::due(Group& group, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  if (group.number != number || group.waiting.empty()) return;
  group.due = true;
  if (!group.running) launch(group);
}

}  // namespace ferry::detail
