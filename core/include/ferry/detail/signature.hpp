#pragma once
// What a handler's signature says, and readable errors for those that say nothing ferry understands.

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "ferry/context.hpp"
#include "ferry/reply_writer.hpp"
#include "ferry/request_reader.hpp"
#include "ferry/task.hpp"

namespace ferry::detail {

template <class R, class... Args>
struct Signature {
  using Result = R;
  using Parameters = std::tuple<Args...>;
};

template <class F>
struct CallOperator;
template <class C, class R, class... A>
struct CallOperator<R (C::*)(A...)> { using Type = Signature<R, A...>; };
template <class C, class R, class... A>
struct CallOperator<R (C::*)(A...) const> { using Type = Signature<R, A...>; };
template <class C, class R, class... A>
struct CallOperator<R (C::*)(A...) noexcept> { using Type = Signature<R, A...>; };
template <class C, class R, class... A>
struct CallOperator<R (C::*)(A...) const noexcept> { using Type = Signature<R, A...>; };

template <class F>
struct SignatureOf {
  static_assert(requires { &F::operator(); },
                "ferry: a handler must be a function, a lambda or a function object with one call operator whose "
                "parameters are spelled out: `auto` parameters and overloads cannot be deduced");
  using Type = typename CallOperator<decltype(&F::operator())>::Type;
};
template <class R, class... A>
struct SignatureOf<R (*)(A...)> { using Type = Signature<R, A...>; };
template <class R, class... A>
struct SignatureOf<R (*)(A...) noexcept> { using Type = Signature<R, A...>; };

// ---- what a parameter is for -----------------------------------------------------------------------------------------

template <class T>
inline constexpr bool is_writer = false;
template <class T>
inline constexpr bool is_writer<ReplyWriter<T>> = true;
template <class T>
inline constexpr bool is_reader = false;
template <class T>
inline constexpr bool is_reader<RequestReader<T>> = true;

template <class P>
using Bare = std::remove_cvref_t<P>;
template <class P>
inline constexpr bool is_context = std::is_same_v<Bare<P>, Context> || std::is_same_v<Bare<P>, RequestContext>;
template <class P>
inline constexpr bool is_transport_context = std::is_base_of_v<TransportContext, Bare<P>>;
template <class P>
inline constexpr bool is_payload = !is_context<P> && !is_transport_context<P> && !is_writer<Bare<P>> &&
                                   !is_reader<Bare<P>>;

template <class T>
struct TaskResult {
  static constexpr bool is_task = false;
  using Type = T;
};
template <class T>
struct TaskResult<asio::awaitable<T, asio::any_io_executor>> {
  static constexpr bool is_task = true;
  using Type = T;
};

template <class... P>
struct PayloadOf {
  using Type = Nothing;
};
template <class P, class... Rest>
struct PayloadOf<P, Rest...> {
  using Type = std::conditional_t<is_payload<P>, Bare<P>, typename PayloadOf<Rest...>::Type>;
};

/// What goes through a stream that is among the parameters.
template <template <class> class Stream, class... P>
struct ItemOf {
  using Type = Nothing;
};
template <template <class> class Stream, class P, class... Rest>
struct ItemOf<Stream, P, Rest...> {
  using Type = typename ItemOf<Stream, Rest...>::Type;
};
template <template <class> class Stream, class T, class... Rest>
struct ItemOf<Stream, Stream<T>&, Rest...> {
  using Type = T;
};

template <class... P>
struct RequiredTransport {
  static constexpr std::string_view name = {};
};
template <class P, class... Rest>
struct RequiredTransport<P, Rest...> {
  static constexpr std::string_view name = [] {
    if constexpr (is_transport_context<P>) {
      return Bare<P>::transport_name;
    } else {
      return RequiredTransport<Rest...>::name;
    }
  }();
};

template <class S>
struct Traits;
template <class R, class... P>
struct Traits<Signature<R, P...>> {
  using Return = R;
  using Result = typename TaskResult<R>::Type;
  using Payload = typename PayloadOf<P...>::Type;
  static constexpr bool is_coroutine = TaskResult<R>::is_task;
  static constexpr bool writes_stream = (is_writer<Bare<P>> || ...);
  static constexpr bool reads_stream = (is_reader<Bare<P>> || ...);
  using Read = std::conditional_t<reads_stream, typename ItemOf<RequestReader, P...>::Type, Payload>;     // one message
  using Written = std::conditional_t<writes_stream, typename ItemOf<ReplyWriter, P...>::Type, Result>;
  static constexpr bool wants_context = ((is_context<P> || is_transport_context<P>) || ...);
  static constexpr std::string_view required_transport = RequiredTransport<P...>::name;

  static_assert((static_cast<std::size_t>(is_payload<P>) + ... + 0) <= 1,
                "ferry: a handler takes at most one payload parameter; the others may be ferry::Context&, "
                "ferry::RequestContext, a transport's context (TcpContext& ...), ferry::ReplyWriter<T>& and "
                "ferry::RequestReader<T>&");
  static_assert(((!is_payload<P> || !std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>) && ...),
                "ferry: take the payload by value or by const reference: it belongs to the message");
  static_assert(((!std::is_same_v<Bare<P>, Context> || std::is_lvalue_reference_v<P>) && ...),
                "ferry: take the context by reference: ferry::Context&");
  static_assert(((!is_transport_context<P> || std::is_lvalue_reference_v<P>) && ...),
                "ferry: take a transport's context by reference: ferry::TcpContext&");
  static_assert(((!is_writer<Bare<P>> || std::is_lvalue_reference_v<P>) && ...),
                "ferry: take the writer by reference: ferry::ReplyWriter<T>&");
  static_assert(!writes_stream || (is_coroutine && std::is_void_v<Result>),
                "ferry: a handler that writes a stream is a coroutine that returns ferry::task<void>");
  static_assert(((!is_reader<Bare<P>> || std::is_lvalue_reference_v<P>) && ...),
                "ferry: take the reader by reference: ferry::RequestReader<T>&");
  static_assert(!reads_stream || (is_coroutine && std::is_same_v<Payload, Nothing>),
                "ferry: a handler that reads a stream of requests is a coroutine (ferry::task<T>) without a payload");
};

}  // namespace ferry::detail
