#pragma once
// A completion handler of any type, kept until there is something to complete it with.

#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include "ferry/detail/pool.hpp"
#include "ferry/spi/loop.hpp"

namespace ferry::detail {

/// Completes on the handler's own executor; never inside the call that took it on.
class Waiter : public Pooled {
 public:
  virtual ~Waiter() = default;
  /// Once; destroys the waiter. `inline_allowed`: the caller is on `loop`, outside any call of the user's.
  virtual void complete(const spi::Loop& loop, bool inline_allowed) = 0;
};

/// Calls a handler that takes nothing.
struct CallHandler {
  template <class Handler>
  void operator()(Handler& handler) const {
    std::move(handler)();
  }
};

/// `Finish` is called with the handler and gives it its arguments.
template <class Handler, class Finish = CallHandler>
class WaiterFor final : public Waiter {
 public:
  WaiterFor(Handler handler, const spi::Loop& loop, Finish finish = {})
      : executor_(asio::get_associated_executor(handler, loop.executor())),
        own_loop_(executor_ == loop.executor()),
        handler_(std::move(handler)),
        finish_(std::move(finish)) {
    // The handler's executor must not run out of work while it waits here; a loop never does.
    if (!own_loop_) executor_ = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
  }

  void complete(const spi::Loop& loop, bool inline_allowed) override {
    std::unique_ptr<WaiterFor> self(this);
    Handler handler = std::move(handler_);
    Finish finish = std::move(finish_);
    if (own_loop_ && inline_allowed && loop.in_loop()) {
      self.reset();
      finish(handler);
      return;
    }
    const asio::any_io_executor executor = std::move(executor_);
    self.reset();
    asio::post(executor, [handler = std::move(handler), finish = std::move(finish)]() mutable { finish(handler); });
  }

 private:
  asio::any_io_executor executor_;
  bool own_loop_;
  Handler handler_;
  [[no_unique_address]] Finish finish_;
};

}  // namespace ferry::detail
