#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/batch.hpp"
#include "ferry/detail/batch_handler.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/needs.hpp"
#include "ferry/pattern.hpp"
#include "ferry/pipeline.hpp"

namespace ferry {

namespace detail {
struct ApplicationImpl;
struct Scope;

/// A member function bound to its object, as a function object with a deducible signature.
template <class Object, class C, class R, class... A>
auto bind_member(Object object, R (C::*function)(A...)) {
  return [object = std::move(object), function](A... arguments) -> R {
    return ((*object).*function)(std::forward<A>(arguments)...);
  };
}
template <class Object, class C, class R, class... A>
auto bind_member(Object object, R (C::*function)(A...) const) {
  return [object = std::move(object), function](A... arguments) -> R {
    return ((*object).*function)(std::forward<A>(arguments)...);
  };
}
}  // namespace detail

/// What one handler has of its own: stages of the pipeline, what it needs of its transport, and NestJS's handler extras.
/// A `Pipeline` or `Needs` alone will do: `on_message("pay", pay, needs::at_least_once)`.
class HandlerOptions {
 public:
  HandlerOptions() = default;
  HandlerOptions(Pipeline pipeline) : pipeline_(std::move(pipeline)) {}
  HandlerOptions(Needs needs) : needs_(needs) {}

  HandlerOptions& use(const Pipeline& pipeline) { return pipeline_.use(pipeline), *this; }
  HandlerOptions& needs(Needs needs) { return needs_ = needs_ | needs, *this; }
  /// For the transport: `{{"qos", 1}}`.
  HandlerOptions& extras(nlohmann::json extras) { return extras_ = std::move(extras), *this; }

  const Pipeline& pipeline() const noexcept { return pipeline_; }
  Needs needs() const noexcept { return needs_; }
  const nlohmann::json& extras() const noexcept { return extras_; }

 private:
  Pipeline pipeline_;
  Needs needs_;
  nlohmann::json extras_;
};

/// Registers handlers: for every service of the application, for one, or for a group of patterns.
///
/// A handler is a function, a lambda, or a member function with its object (a pointer or shared_ptr), synchronous or a
/// coroutine (`ferry::task<T>`). Its parameters, in any order and each optional: the payload (by value or const reference),
/// `ferry::Context&`, `ferry::RequestContext`, a transport's context (`ferry::TcpContext&`: then it can only be started on that
/// transport), `ferry::ReplyWriter<T>&` (a coroutine returning `ferry::task<void>`, which writes a stream of replies), and in
/// place of the payload `ferry::RequestReader<T>&` (a coroutine, which reads a stream of requests).
///
/// Where it runs: on the loop that read the message, or with `"handlers": "pool"` on a worker thread. Several runs of one
/// handler may be at work at once.
///
/// A handle: copies are of the same scope, which its `Application` owns. Throws `std::logic_error` once that has started.
class HandlerScope {
 public:
  /// Answers requests. Of several for one pattern the last wins, as in NestJS. `extras` are NestJS's, for the transport.
  template <class F>
  HandlerScope& on_message(Pattern pattern, F handler, nlohmann::json extras = {}) {
    return on_message(std::move(pattern), std::move(handler), HandlerOptions().extras(std::move(extras)));
  }
  template <class F>
  HandlerScope& on_message(Pattern pattern, F handler, HandlerOptions options) {
    return add(std::move(pattern), false, wrap(std::move(handler)), std::move(options));
  }
  template <class Object, class M, class... Options>
    requires std::is_member_function_pointer_v<M>
  HandlerScope& on_message(Pattern pattern, Object object, M function, Options&&... options) {
    return on_message(std::move(pattern), detail::bind_member(std::move(object), function), std::forward<Options>(options)...);
  }

  /// Hears events. Several handlers may share one event; they run concurrently.
  template <class F>
  HandlerScope& on_event(Pattern pattern, F handler, nlohmann::json extras = {}) {
    return on_event(std::move(pattern), std::move(handler), HandlerOptions().extras(std::move(extras)));
  }
  template <class F>
  HandlerScope& on_event(Pattern pattern, F handler, HandlerOptions options) {
    return add(std::move(pattern), true, wrap(std::move(handler)), std::move(options));
  }
  template <class Object, class M, class... Options>
    requires std::is_member_function_pointer_v<M>
  HandlerScope& on_event(Pattern pattern, Object object, M function, Options&&... options) {
    return on_event(std::move(pattern), detail::bind_member(std::move(object), function), std::forward<Options>(options)...);
  }

  /// Hears events several at once: `handler` takes a `std::vector` of their payloads and, if it likes, `ferry::BatchContext&`,
  /// and returns nothing (or `ferry::task<void>`). Batches of one service run one after another, in the order of the events. If
  /// it throws, every event of the batch has failed; one whose payload cannot be read fails alone. A pipeline stands around each
  /// event.
  /// Needs room to gather: `maxConcurrency`, and what the transport hands over at once (prefetch), at or above `options.max`;
  /// with less a batch is what has come when `options.wait` is over.
  template <class F>
  HandlerScope& on_batch(Pattern pattern, BatchOptions batch, F handler, nlohmann::json extras = {}) {
    return on_batch(std::move(pattern), batch, std::move(handler), HandlerOptions().extras(std::move(extras)));
  }
  template <class F>
  HandlerScope& on_batch(Pattern pattern, BatchOptions batch, F handler, HandlerOptions options) {
    return add(std::move(pattern), true, std::make_shared<detail::BatchHandlerFor<F>>(batch, std::move(handler)), std::move(options));
  }
  template <class Object, class M, class... Options>
    requires std::is_member_function_pointer_v<M>
  HandlerScope& on_batch(Pattern pattern, BatchOptions batch, Object object, M function, Options&&... options) {
    return on_batch(std::move(pattern), batch, detail::bind_member(std::move(object), function), std::forward<Options>(options)...);
  }

  /// Around every handler of this scope and of the groups in it, those registered before this included.
  HandlerScope& use(const Pipeline& pipeline);
  /// A scope in this one, for the same services. `prefix` is put before the patterns of its handlers, which are strings then.
  HandlerScope group(std::string_view prefix = {}) const;
  /// A class that registers its member functions in one place, `void routes(HandlerScope)`, which is called now with a group of
  /// its own. Kept as long as the application.
  template <class C>
  HandlerScope& controller(std::shared_ptr<C> controller) {
    controller->routes(group());
    keep(std::move(controller));
    return *this;
  }
  /// The same, made of what its constructor takes.
  template <class C, class... Dependencies>
  HandlerScope& controller(Dependencies&&... dependencies) {
    return controller(std::make_shared<C>(std::forward<Dependencies>(dependencies)...));
  }

 private:
  friend class Application;
  HandlerScope(detail::ApplicationImpl& application, std::shared_ptr<detail::Scope> scope);

  template <class F>
  static std::shared_ptr<detail::Handler> wrap(F handler) {
    return std::make_shared<detail::HandlerFor<F>>(std::move(handler));
  }
  HandlerScope& add(Pattern pattern, bool event, std::shared_ptr<detail::Handler> handler, HandlerOptions options);
  void keep(std::shared_ptr<void> controller);

  detail::ApplicationImpl* application_;
  std::shared_ptr<detail::Scope> scope_;
};

}  // namespace ferry
