#pragma once
// One message's way through a pipeline to its handler, and the way of its values and its failure back.

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_signal.hpp>

#include "ferry/context.hpp"
#include "ferry/detail/invocation.hpp"
#include "ferry/detail/waiter.hpp"
#include "ferry/payload.hpp"
#include "ferry/pipeline.hpp"
#include "ferry/task.hpp"

namespace ferry::detail {

class Handler;

/// Shared by the handler's invocation, which it stands behind, and by its own coroutine, if it has one.
/// Threads: one at a time.
class Passage : public std::enable_shared_from_this<Passage> {
 public:
  Passage(const Stages& stages, Handler& handler, Invocation outer);
  ~Passage();

  /// Without a coroutine: all on the stack, unless the handler is one.
  void run();
  /// As a coroutine on the service's executor.
  void spawn();

  // What the handler is given.
  Context& context() noexcept { return *context_; }
  const Payload& payload() const noexcept { return payload_; }
  const Invocation& outer() const noexcept { return outer_; }
  asio::any_io_executor executor();
  /// How the handler's coroutine is cancelled. `cancel` is called on any thread.
  void on_cancel(std::function<void()> cancel);

  // What becomes of the handler. None of these throws.
  void item(std::string& bytes);
  void last(std::string& bytes);
  void end();
  void fail(const std::exception_ptr& error);

 private:
  friend class ferry::Next;

  // The way in.
  static task<void> drive(std::shared_ptr<Passage> self);
  task<void> level(std::size_t index);
  task<void> around(std::size_t index);
  task<void> inside(Next& next);
  task<void> innermost();
  template <class Token>
  auto async_ended(Token&& token);

  // The way out.
  bool outwards(std::size_t level, std::string& bytes);
  void answer(const Next& next, const Payload& value);
  void handler_ended(const std::exception_ptr& error);
  void complete(std::exception_ptr error);
  task<void> complete_later(std::exception_ptr error);
  void succeed();
  void finish(const std::optional<Filtered>& result, const std::exception_ptr& error);

  void watch();
  void cancel_handler();

  const Stages& stages_;
  Handler& handler_;                   // both live as long as their service
  Invocation outer_;
  const std::shared_ptr<Context> context_;
  Payload payload_;
  asio::any_io_executor executor_;
  const std::unique_ptr<Next[]> nexts_;   // one an interceptor
  std::size_t entered_ = 0;            // of them, without a coroutine
  std::optional<std::string> held_;    // the value that may be the last one: the end travels with it
  std::string* last_ = nullptr;        // the same, while the handler's call lasts
  std::exception_ptr failed_;          // of what saw a value on its way out
  bool coroutine_ = false;
  asio::cancellation_signal signal_;   // of the coroutine

  std::mutex mutex_;                   // a handler of batches ends elsewhere
  std::function<void()> cancel_;       // the handler
  std::unique_ptr<Waiter> waiter_;     // for its end
  std::exception_ptr handler_error_;
  bool ended_ = false;
};

}  // namespace ferry::detail
