#pragma once
// Handlers of every accepted signature behind one interface.

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>

#include "ferry/context.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/invocation.hpp"
#include "ferry/detail/passage.hpp"
#include "ferry/detail/reply_stream.hpp"
#include "ferry/detail/request_stream.hpp"
#include "ferry/detail/signature.hpp"
#include "ferry/reply_writer.hpp"
#include "ferry/request_reader.hpp"

namespace ferry::detail {

/// A registered handler. Shared by all loops; `invoke` may run many at once.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void invoke(Invocation invocation) = 0;
  /// The service drains: what it holds back for later is to be handled now.
  virtual void flush(const ServiceHooks& service) { static_cast<void>(service); }
  /// The service ends: what is held back for it fails.
  virtual void discard(const ServiceHooks& service) { static_cast<void>(service); }

  /// The transport whose context it takes; empty: any.
  std::string_view required_transport = {};
  bool reads_stream = false;    ///< of requests
  bool writes_stream = false;   ///< of replies
  std::size_t batch = 0;        ///< messages it takes at once; 0: one by one
  std::string_view request_type = {};   ///< where formats know it by a name: see `PayloadCodec`
  std::string_view reply_type = {};
};

/// A buffer for one encoded value, kept from call to call. Not to be held across a suspension.
std::string& scratch_buffer();

/// What the parameters of one call are picked from.
template <class Payload>
struct Arguments {
  Context* context = nullptr;
  std::optional<Payload> payload;
  ReplyStreamState* stream = nullptr;
  RequestStreamState* requests = nullptr;
};

/// One argument; a temporary `ReplyWriter` or `RequestContext` lives as long as the call, a coroutine's as its frame.
template <class P, class Payload>
struct Pick {
  explicit Pick(Arguments<Payload>& from) : arguments(from) {}
  Arguments<Payload>& arguments;

  decltype(auto) get() {
    if constexpr (std::is_same_v<Bare<P>, Context>) {
      return static_cast<Context&>(*arguments.context);
    } else if constexpr (std::is_same_v<Bare<P>, RequestContext>) {
      return RequestContext(*arguments.context);
    } else if constexpr (is_transport_context<P>) {
      return static_cast<Bare<P>&>(*arguments.context->template as<Bare<P>>());   // checked at start-up
    } else {
      return static_cast<Payload&&>(*arguments.payload);
    }
  }
};
template <class T, class Payload>
struct Pick<ReplyWriter<T>&, Payload> {
  explicit Pick(Arguments<Payload>& from) : writer(*from.stream) {}
  ReplyWriter<T> writer;
  ReplyWriter<T>& get() { return writer; }
};
template <class T, class Payload>
struct Pick<RequestReader<T>&, Payload> {
  explicit Pick(Arguments<Payload>& from) : reader(*from.requests) {}
  RequestReader<T> reader;
  RequestReader<T>& get() { return reader; }
};

/// The same arguments, once for each of a pack.
template <class, class A>
A& for_each(A& arguments) {
  return arguments;
}

template <class Payload>
void decode_payload(const spi::Delivery& delivery, std::optional<Payload>& out) {
  if constexpr (!std::is_same_v<Payload, Nothing>) {
    const spi::RequestView& view = delivery.view();
    out.emplace(decode_received([&] {
      return view.has_payload ? decode<Payload>(delivery.serializer(), view.payload) : decode_missing<Payload>();
    }));
  }
}
inline void decode_payload(const spi::DeliveryPtr& delivery, std::optional<ferry::Payload>& out) {
  out.emplace(ferry::Payload::view(delivery));   // no copy: keeps the message alive
}
template <class Payload>
void decode_payload(const spi::DeliveryPtr& delivery, std::optional<Payload>& out) {
  decode_payload(static_cast<const spi::Delivery&>(*delivery), out);
}
/// Of the message, or what a pipeline made of it.
template <class Payload>
void decode_payload(const Invocation& invocation, std::optional<Payload>& out) {
  if (const Passage* passage = invocation.passage()) {
    if constexpr (!std::is_same_v<Payload, Nothing>) {
      out.emplace(decode_received([passage] { return passage->payload().template as<Payload>(); }));
    }
  } else {
    decode_payload(invocation.delivery(), out);
  }
}

template <class R>
void send_result(Invocation& invocation, const R& result, std::string& buffer) {
  if constexpr (std::is_same_v<R, ferry::Payload>) {
    if (!result.has_value()) return invocation.end();
  }
  if (invocation.wants_reply()) encode(invocation.delivery()->serializer(), result, buffer);
  invocation.last(buffer);
}

template <class F>
class HandlerFor final : public Handler {
  using Sig = typename SignatureOf<F>::Type;
  using T = Traits<Sig>;
  using Payload = typename T::Payload;

 public:
  explicit HandlerFor(F function) : function_(std::move(function)) {
    required_transport = T::required_transport;
    reads_stream = T::reads_stream;
    writes_stream = T::writes_stream;
    request_type = payload_type<typename T::Read>();
    reply_type = payload_type<typename T::Written>();
  }

  void invoke(Invocation invocation) override {
    if constexpr (T::is_coroutine) {
      start(std::move(invocation));
    } else {
      run(invocation, static_cast<Sig*>(nullptr));
    }
  }

 private:
  // ---- synchronous: on the stack, no allocation of ours
  template <class R, class... P>
  void run(Invocation& invocation, Signature<R, P...>*) {
    try {
      Arguments<Payload> arguments;
      std::optional<Context> context;
      if constexpr (T::wants_context) arguments.context = &make_context(context, invocation);
      decode_payload(invocation, arguments.payload);
      std::tuple<Pick<P, Payload>...> picks(for_each<P>(arguments)...);
      if constexpr (std::is_void_v<R>) {
        std::apply([this](auto&... pick) { function_(pick.get()...); }, picks);
        invocation.end();
      } else {
        const R result = std::apply([this](auto&... pick) -> R { return function_(pick.get()...); }, picks);
        std::string& buffer = scratch_buffer();
        buffer.clear();
        send_result(invocation, result, buffer);
      }
    } catch (...) {
      invocation.fail(std::current_exception());
    }
  }

  // ---- coroutine: one object for all that must live as long as it runs
  struct Run {
    explicit Run(Invocation from) : invocation(std::move(from)), stream(invocation), requests(invocation.delivery()) {}
    Invocation invocation;
    std::optional<Context> context;
    Arguments<Payload> arguments;
    ReplyStreamState stream;
    [[no_unique_address]] std::conditional_t<T::reads_stream, RequestStreamState, NoRequestStream> requests;
    asio::any_io_executor executor;
    asio::cancellation_signal cancel;
  };

  static Context& make_context(std::optional<Context>& slot, const Invocation& invocation) {
    if (Passage* passage = invocation.passage()) return passage->context();
    return slot.emplace(invocation.delivery(), invocation.service().transport_name(), invocation.service().service_name(),
                        invocation.route());
  }

  void start(Invocation invocation) {
    auto run = std::make_shared<Run>(std::move(invocation));
    run->executor = run->invocation.executor();
    if (run->invocation.wants_reply() || run->invocation.passage() != nullptr) watch(run);
    asio::co_spawn(run->executor, drive(run, static_cast<Sig*>(nullptr)),
                   asio::bind_cancellation_slot(run->cancel.slot(), [run](std::exception_ptr) {}));
  }

  /// The caller's cancel becomes the coroutine's, on the coroutine's executor.
  /// The hook holds nothing but a weak pointer: a delivery may outlive the runtime that handled it (memory transport).
  static void watch(const std::shared_ptr<Run>& run) {
    auto hook = [weak = std::weak_ptr<Run>(run)] {
      const auto running = weak.lock();
      if (!running) return;
      asio::post(running->executor, [weak] {
        if (const auto target = weak.lock()) target->cancel.emit(asio::cancellation_type::terminal);
      });
    };
    if (Passage* passage = run->invocation.passage()) passage->on_cancel(std::move(hook));
    else when_abandoned(run->invocation.delivery(), std::move(hook));
  }

  template <class R, class... P>
  task<void> drive(std::shared_ptr<Run> run, Signature<R, P...>*) {
    try {
      run->arguments.context = &make_context(run->context, run->invocation);
      run->arguments.stream = &run->stream;
      if constexpr (T::reads_stream) run->arguments.requests = &run->requests;
      decode_payload(run->invocation, run->arguments.payload);
      std::tuple<Pick<P, Payload>...> picks(for_each<P>(run->arguments)...);
      auto work = std::apply([this](auto&... pick) { return function_(pick.get()...); }, picks);
      if constexpr (T::writes_stream) {
        co_await std::move(work);
        run->stream.end();
      } else if constexpr (std::is_void_v<typename T::Result>) {
        co_await std::move(work);
        run->invocation.end();
      } else {
        const typename T::Result result = co_await std::move(work);
        std::string& buffer = scratch_buffer();
        buffer.clear();
        send_result(run->invocation, result, buffer);
      }
    } catch (...) {
      run->stream.release();
      run->invocation.fail(std::current_exception());
    }
  }

  F function_;
};

}  // namespace ferry::detail
