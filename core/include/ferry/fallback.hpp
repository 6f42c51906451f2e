#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "ferry/call.hpp"
#include "ferry/error.hpp"
#include "ferry/task.hpp"

namespace ferry {
namespace detail {

/// There was no answer: nobody could be asked, or nobody answered in time. Not what the caller or the client's closing ended,
/// and not an error that the handler answered with.
bool is_without_answer(const std::error_code& code) noexcept;

template <class T>
struct IsTask : std::false_type {};
template <class T>
struct IsTask<asio::awaitable<T>> : std::true_type {};
template <class T>
struct IsTask<Call<T>> : std::true_type {};

template <class T, class F>
task<T> run_with_fallback(task<T> call, F fallback) {
  std::optional<Error> failed;   // a handler of exceptions must not await
  try {
    co_return co_await std::move(call);
  } catch (const Error& error) {
    if (!is_without_answer(error.code())) throw;
    failed.emplace(error);
  }
  if constexpr (!std::invocable<F&, const Error&>) {
    co_return std::move(fallback);
  } else if constexpr (IsTask<std::invoke_result_t<F&, const Error&>>::value) {
    co_return co_await fallback(*failed);
  } else {
    co_return fallback(*failed);
  }
}

}  // namespace detail

/// The call, with what stands in for its answer when there is none: after `TimeoutError`, `OverloadedError` (an open circuit
/// among them), `NoHandlerError`, and `ConnectionError` unless the client was closed. Any other error is thrown as it is: what
/// the handler answered with (`RpcError`), and a cancel.
///
/// `fallback` is a value, or a function of `const ferry::Error&` that returns one, or a coroutine that does; it may throw.
/// What a lambda captures must outlive the call. With GCC 12, give a lambda that captures what it owns a name first.
template <class T, class F>
Call<T> with_fallback(Call<T> call, F fallback) {
  spi::Loop& loop = call.loop();
  return {detail::run_with_fallback<T>(std::move(static_cast<task<T>&>(call)), std::move(fallback)), loop};
}

}  // namespace ferry
