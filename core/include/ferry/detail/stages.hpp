#pragma once
// The stages of a pipeline, whatever the functions they were made of.

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "ferry/detail/codec.hpp"
#include "ferry/detail/signature.hpp"
#include "ferry/payload.hpp"
#include "ferry/task.hpp"

namespace ferry {
class Context;
class Filtered;
class Next;
}

namespace ferry::detail {

class Passage;

/// A stage: a plain function, or one that returns a coroutine.
template <class R, class... A>
using Stage = std::variant<std::function<R(A...)>, std::function<task<R>(A...)>>;

using GuardStage = Stage<bool, Context&>;
using PipeStage = Stage<Payload, Payload, Context&>;
using InterceptorStage = Stage<void, Context&, Next&>;

/// Empty: the exception is not its own.
struct FilterStage {
  std::function<std::optional<Filtered>(const std::exception_ptr&, Context&)> plain;
  std::function<std::optional<task<Filtered>>(const std::exception_ptr&, Context&)> coroutine;
};

/// What a pipeline consists of, outermost first. Copies share the functions' state only as far as the functions do.
struct Stages {
  std::vector<GuardStage> guards;
  std::vector<InterceptorStage> interceptors;
  std::vector<PipeStage> pipes;
  std::vector<FilterStage> filters;
  bool scoped = false;

  bool empty() const noexcept;
  void append(const Stages& other);
  bool any_coroutine() const noexcept;
};

template <class F>
using ReturnOf = typename SignatureOf<F>::Type::Result;
template <class F, std::size_t N>
using ParameterOf = std::tuple_element_t<N, typename SignatureOf<F>::Type::Parameters>;
template <class F>
inline constexpr std::size_t parameters_of = std::tuple_size_v<typename SignatureOf<F>::Type::Parameters>;

template <class F>
GuardStage guard_stage(F function) {
  using Return = ReturnOf<F>;
  static_assert(std::is_invocable_v<F&, Context&>, "ferry: a guard takes ferry::Context&");
  static_assert(std::is_same_v<typename TaskResult<Return>::Type, bool>, "ferry: a guard returns bool or ferry::task<bool>");
  return std::function<Return(Context&)>(std::move(function));
}

template <class F>
InterceptorStage interceptor_stage(F function) {
  using Return = ReturnOf<F>;
  static_assert(std::is_invocable_v<F&, Context&, Next&>, "ferry: an interceptor takes ferry::Context& and ferry::Next&");
  static_assert(std::is_void_v<typename TaskResult<Return>::Type>, "ferry: an interceptor returns void or ferry::task<void>");
  return std::function<Return(Context&, Next&)>(std::move(function));
}

// ---- pipes -----------------------------------------------------------------------------------------------------------

/// A value as a payload: in the format of the message's own.
template <class T>
Payload make_payload(const T& value, const spi::Serializer& serializer) {
  if constexpr (std::is_same_v<T, Payload>) {
    return value;
  } else {
    std::string bytes;
    encode(serializer, value, bytes);
    return Payload::owned(std::move(bytes), serializer);
  }
}
const spi::Serializer& serializer_of(const Context& context);

template <class F, class T>
decltype(auto) call_pipe(F& function, T&& value, Context& context) {
  if constexpr (parameters_of<F> == 1) return function(std::forward<T>(value));
  else return function(std::forward<T>(value), context);
}

template <class F>
task<Payload> await_pipe(F& function, Payload payload, Context& context) {
  using Result = typename TaskResult<ReturnOf<F>>::Type;
  auto value = decode_received([&payload] { return payload.as<std::remove_cvref_t<ParameterOf<F, 0>>>(); });
  if constexpr (std::is_void_v<Result>) {
    co_await call_pipe(function, std::move(value), context);
    co_return payload;
  } else {
    const Result made = co_await call_pipe(function, std::move(value), context);
    co_return make_payload(made, serializer_of(context));
  }
}

template <class F>
PipeStage pipe_stage(F function) {
  static_assert(parameters_of<F> == 1 || parameters_of<F> == 2, "ferry: a pipe takes the payload and, if it likes, ferry::Context&");
  using Return = ReturnOf<F>;
  using Value = std::remove_cvref_t<ParameterOf<F, 0>>;
  if constexpr (TaskResult<Return>::is_task) {
    return std::function<task<Payload>(Payload, Context&)>(
        [function = std::move(function)](Payload payload, Context& context) mutable {
          return await_pipe<F>(function, std::move(payload), context);
        });
  } else {
    return std::function<Payload(Payload, Context&)>([function = std::move(function)](Payload payload, Context& context) mutable {
      Value value = decode_received([&payload] { return payload.as<Value>(); });
      if constexpr (std::is_void_v<Return>) {
        call_pipe(function, std::move(value), context);
        return payload;
      } else {
        return make_payload<std::remove_cvref_t<Return>>(call_pipe(function, std::move(value), context), serializer_of(context));
      }
    });
  }
}

// ---- filters ---------------------------------------------------------------------------------------------------------

Filtered filtered(nlohmann::json body);
Filtered filtered(Filtered result);

template <class F, class E>
decltype(auto) call_filter(F& function, const E& error, Context& context) {
  if constexpr (parameters_of<F> == 1) return function(error);
  else return function(error, context);
}

/// Calls `use` with the exception, if it is an `E`.
template <class E, class Use>
auto if_caught(const std::exception_ptr& error, Use use) -> std::optional<decltype(use(std::declval<const E&>()))> {
  if constexpr (std::is_same_v<E, std::exception_ptr>) {
    return use(error);
  } else {
    const E* own = nullptr;
    try {
      std::rethrow_exception(error);
    } catch (const E& caught) {
      own = &caught;   // lives as long as `error` does
    } catch (...) {}
    if (own == nullptr) return std::nullopt;
    return use(*own);
  }
}

template <class Return>
task<Filtered> await_filter(task<Return> work) {
  co_return filtered(co_await std::move(work));
}

template <class F>
FilterStage filter_stage(F function) {
  static_assert(parameters_of<F> == 1 || parameters_of<F> == 2,
                "ferry: a filter takes the exception by const reference and, if it likes, ferry::Context&");
  using Return = ReturnOf<F>;
  static_assert(!std::is_void_v<typename TaskResult<Return>::Type>,
                "ferry: a filter returns what its caller is to see: ferry::Filtered, or the error's body as JSON");
  using E = std::remove_cvref_t<ParameterOf<F, 0>>;
  FilterStage stage;
  if constexpr (TaskResult<Return>::is_task) {
    stage.coroutine = [function = std::move(function)](const std::exception_ptr& error, Context& context) mutable {
      return if_caught<E>(error, [&](const E& own) { return await_filter(call_filter(function, own, context)); });
    };
  } else {
    stage.plain = [function = std::move(function)](const std::exception_ptr& error, Context& context) mutable {
      return if_caught<E>(error, [&](const E& own) { return filtered(call_filter(function, own, context)); });
    };
  }
  return stage;
}

}  // namespace ferry::detail
