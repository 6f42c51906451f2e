#include "load.hpp"

#include <algorithm>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace ferry::tool {

Load::Load(Client client, const Message& message, LoadPlan plan)
    : client_(std::move(client)),
      message_(message),
      plan_(plan),
      moment_(client_.loop().executor()),
      slot_(client_.loop().executor(), Clock::time_point::max()) {}

task<void> Load::exchange() {
  const Payload none;
  const Payload& payload = message_.payload ? *message_.payload : none;
  if (plan_.events) {
    Emission emission = client_.emit(message_.pattern, payload, message_.options);
    co_await std::move(emission);
  } else {
    Call<void> call = client_.send<void>(message_.pattern, payload, message_.options);
    co_await std::move(call);
  }
}

task<void> Load::one(Clock::time_point moment) {
  ++result_.sent;
  if (Clock::now() - moment > LoadResult::late_after) ++result_.late;
  bool failed = false;
  try {
    co_await exchange();
    result_.latency.add(Clock::now() - moment);
  } catch (...) {
    failed = true;
    ++result_.failed;
    Ending ending = ending_of_current_exception();
    auto& [count, first] = result_.failures[ending.kind];
    if (count++ == 0) first = std::move(ending);
  }
  // One that failed on the spot would come again before anything else had its turn.
  if (failed) co_await asio::post(client_.loop().executor(), asio::use_awaitable);
}

task<void> Load::caller() {
  while (!over()) co_await one(Clock::now());
}

task<void> Load::pace() {
  const std::chrono::duration<double> step(1 / plan_.rate);
  const std::chrono::duration<double> whole(plan_.duration);
  const auto count = static_cast<std::uint64_t>(std::max(1.0, whole / step));
  std::error_code ignored;
  for (std::uint64_t i = 0; i < count && !stopped_; ++i) {
    const auto moment = begin_ + std::chrono::duration_cast<Clock::duration>(step * static_cast<double>(i));
    if (Clock::now() < moment) {
      moment_.expires_at(moment);
      co_await moment_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      if (stopped_) co_return;
    }
    while (running_ >= plan_.in_flight) {
      if (over()) {
        const auto due = static_cast<std::uint64_t>((Clock::now() - begin_) / step) + 1;
        result_.not_sent = std::min(due, count) - i;
        co_return;
      }
      co_await slot_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    launch(one(moment));
  }
}

void Load::launch(task<void> work) {
  ++running_;
  asio::co_spawn(client_.loop().executor(), std::move(work), [this](std::exception_ptr) {
    --running_;
    slot_.cancel();
  });
}

task<void> Load::until_idle() {
  std::error_code ignored;
  while (running_ != 0) co_await slot_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

task<void> Load::run() {
  begin_ = Clock::now();
  end_ = begin_ + plan_.duration;
  if (plan_.rate > 0) {
    co_await pace();
  } else {
    for (std::size_t i = 0; i < plan_.in_flight; ++i) launch(caller());
  }
  co_await until_idle();
  result_.elapsed = Clock::now() - begin_;
}

void Load::stop() {
  stopped_ = true;
  moment_.cancel();
  slot_.cancel();
}

}  // namespace ferry::tool
