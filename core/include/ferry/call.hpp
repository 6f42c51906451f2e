#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "ferry/task.hpp"

namespace ferry {
namespace detail {

template <class T>
struct BlockingState {
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Stored> value;
  std::exception_ptr error;
  bool done = false;
  asio::cancellation_signal signal;   // emitted on the loop only
};

template <class T>
task<void> run_into(std::shared_ptr<BlockingState<T>> state, task<T> work) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
      state->value.emplace();
    } else {
      state->value.emplace(co_await std::move(work));
    }
  } catch (...) {
    state->error = std::current_exception();
  }
  const std::lock_guard lock(state->mutex);
  state->done = true;
  state->changed.notify_all();
}

void refuse_to_block_on_a_loop();

}  // namespace detail

/// A call that has not begun: nothing leaves before it is awaited, started or blocked on.
///
/// It is an `asio::awaitable<T>`: `co_await` it, join it with `||` and `&&` of Asio's awaitable operators, or hand it to
/// `asio::co_spawn` with any completion token. It runs once.
///
/// Lifetime: keeps its client's engine alive.
/// Threads:  one caller; the result arrives on the awaiting coroutine's executor.
/// Cancel:   any Asio cancellation ends it with `CancelledError` and frees its slot at once.
template <class T>
class [[nodiscard]] Call : public task<T> {
 public:
  Call(task<T> work, spi::Loop& loop) : task<T>(std::move(work)), loop_(&loop) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&&) noexcept = default;

  /// Blocks until the outcome, at most for the call's own deadline. Throws what `co_await` would throw; throws
  /// `std::logic_error` on one of ferry's own threads, where blocking would stop what it waits for.
  T get() && { return wait(std::nullopt); }
  /// The same, but cancels the call and throws `TimeoutError` when `limit` passes.
  T get(std::chrono::milliseconds limit) && { return wait(limit); }

  spi::Loop& loop() const noexcept { return *loop_; }   ///< its client's

 private:
  T wait(std::optional<std::chrono::milliseconds> limit) {
    detail::refuse_to_block_on_a_loop();
    auto state = std::make_shared<detail::BlockingState<T>>();
    asio::co_spawn(loop_->executor(), detail::run_into<T>(state, std::move(static_cast<task<T>&>(*this))),
                   asio::bind_cancellation_slot(state->signal.slot(), [state](std::exception_ptr) {}));
    std::unique_lock lock(state->mutex);
    const auto done = [&state] { return state->done; };
    bool late = false;
    if (!limit) {
      state->changed.wait(lock, done);
    } else if (!state->changed.wait_for(lock, *limit, done)) {
      late = true;
      lock.unlock();
      loop_->post([state] { state->signal.emit(asio::cancellation_type::terminal); });
      lock.lock();
      state->changed.wait(lock, done);   // cancelling is local: it ends at once
    }
    lock.unlock();
    if (late && state->error) {
      throw TimeoutError(errc::timed_out, "no outcome within " + std::to_string(limit->count()) + " ms");
    }
    if (state->error) std::rethrow_exception(state->error);
    if constexpr (!std::is_void_v<T>) return std::move(*state->value);
  }

  spi::Loop* loop_;
};

}  // namespace ferry
