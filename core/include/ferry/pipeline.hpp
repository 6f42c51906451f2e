#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/context.hpp"
#include "ferry/detail/stages.hpp"
#include "ferry/payload.hpp"
#include "ferry/task.hpp"

namespace ferry {

/// What a filter makes of an exception.
class Filtered {
 public:
  /// The caller sees this body as the handler's error, verbatim: any JSON value. An event has failed.
  static Filtered error(nlohmann::json body);
  /// The caller sees this value, as if the handler had returned it; an empty payload is no value. An event has succeeded.
  static Filtered value(Payload value);

  bool failed() const noexcept { return failed_; }
  const nlohmann::json& body() const noexcept { return body_; }
  const Payload& payload() const noexcept { return value_; }

 private:
  nlohmann::json body_;
  Payload value_;
  bool failed_ = true;
};

/// What an interceptor stands before: the interceptors after it, the pipes and the handler.
///
/// Lifetime: of one run of the handler. Threads: one caller at a time, where the handler runs.
class Next {
 public:
  Next(const Next&) = delete;
  Next& operator=(const Next&) = delete;

  /// Runs it. Completes when it has ended; throws what it threw. For interceptors that are coroutines; after a failure it may be
  /// called again.
  /// Cancel: cancels the handler.
  task<void> operator()();
  /// `see` is given every value of the handler on its way out, those of a stream one by one, and returns what goes on in its
  /// place: an empty payload goes nowhere. What it throws is a failure of the handler. At most one, set before the handler runs.
  void on_value(std::function<Payload(Payload)> see) { value_hook_ = std::move(see); }
  /// `see` is called once it has ended: with what it threw, or null. What `see` throws takes the place of that.
  void on_end(std::function<void(const std::exception_ptr&)> see) { end_hook_ = std::move(see); }
  /// Sends a value in place of those of the handler, which a plain interceptor thereby keeps from running.
  void answer(Payload value);

 private:
  friend class detail::Passage;
  Next() = default;

  detail::Passage* passage_ = nullptr;
  std::size_t level_ = 0;
  std::function<Payload(Payload)> value_hook_;
  std::function<void(const std::exception_ptr&)> end_hook_;
  bool answered_ = false;
};

/// What stands around handlers, in NestJS's terms and order: guards, interceptors on the way in, pipes, the handler,
/// interceptors on the way out; filters for what any of them throws. Each stage is a plain function or a coroutine; both are
/// called where the handler runs, several messages at once.
///
///     const Pipeline orders = Pipeline().guard(is_customer).pipe(pick("/order")).filter(not_found);
///     app.use(logging);                                            // around every handler
///     app.group("orders.").use(orders).on_message("create", create, Pipeline().guard(may_create));
///
/// Stages of the application come first, then those of the group, then the handler's own; of filters the closest one that
/// takes the exception decides, and of those the one added last.
/// A value: copies share their stages.
class Pipeline {
 public:
  Pipeline() = default;

  /// `bool(Context&)` or `task<bool>(Context&)`: false refuses the message, as NestJS does ("Forbidden resource"); an exception
  /// refuses it with words of its own.
  template <class F>
  Pipeline& guard(F function) {
    stages_.guards.push_back(detail::guard_stage(std::move(function)));
    return *this;
  }
  /// `U(T)` or `U(T, Context&)`, or a `task<U>` of it: the handler, or the next pipe, is given `U` in place of the payload, whose
  /// type is `T`. One that returns nothing only looks at it.
  template <class F>
  Pipeline& pipe(F function) {
    stages_.pipes.push_back(detail::pipe_stage(std::move(function)));
    return *this;
  }
  /// `void(Context&, Next&)`: says what happens on the way out (`on_value`, `on_end`) or answers itself; the rest runs when it has
  /// returned. `task<void>(Context&, Next&)`: runs the rest itself, by `co_await next()`.
  template <class F>
  Pipeline& interceptor(F function) {
    stages_.interceptors.push_back(detail::interceptor_stage(std::move(function)));
    return *this;
  }
  /// `R(const E&)` or `R(const E&, Context&)`, or a `task<R>` of it: takes exceptions of type `E`, or all of them where `E` is
  /// `std::exception_ptr`. `R` is `Filtered`, or JSON for `Filtered::error` of it. What it throws the caller sees as if there were
  /// no filter.
  template <class F>
  Pipeline& filter(F function) {
    stages_.filters.push_back(detail::filter_stage(std::move(function)));
    return *this;
  }
  /// `current_context()` gives the message's context in whatever the handler calls and awaits. Costs an allocation for each
  /// resumption of a coroutine.
  Pipeline& request_scope() {
    stages_.scoped = true;
    return *this;
  }
  /// All stages of `other` behind those of the same kind that are here.
  Pipeline& use(const Pipeline& other);

  bool empty() const noexcept { return stages_.empty(); }
  const detail::Stages& stages() const noexcept { return stages_; }   ///< for the engine

 private:
  detail::Stages stages_;
};

/// The context of the message that is handled here, of a handler with `Pipeline::request_scope`; null elsewhere. On whatever
/// thread: also behind a `co_await`, and in coroutines spawned on the handler's executor.
Context* current_context() noexcept;

}  // namespace ferry
