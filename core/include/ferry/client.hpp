#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/call.hpp"
#include "ferry/circuit.hpp"
#include "ferry/detail/client_core.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/request.hpp"
#include "ferry/duplex.hpp"
#include "ferry/headers.hpp"
#include "ferry/pattern.hpp"
#include "ferry/status.hpp"
#include "ferry/stream.hpp"

namespace ferry {

class Context;

/// What a single call may ask for beside its payload. `ferry::SendOptions().timeout(2s).header("tenant", "acme")`
class SendOptions {
 public:
  SendOptions() {}   // user-provided: GCC 12 destroys aggregate temporaries under co_await twice
  SendOptions& timeout(std::chrono::milliseconds limit) & { return timeout_ = limit, *this; }
  SendOptions&& timeout(std::chrono::milliseconds limit) && { return timeout_ = limit, std::move(*this); }
  SendOptions& header(std::string_view name, std::string_view value) & { return headers_.set(name, value), *this; }
  SendOptions&& header(std::string_view name, std::string_view value) && {
    return headers_.set(name, value), std::move(*this);
  }
  SendOptions& headers(Headers all) & { return headers_ = std::move(all), *this; }
  SendOptions&& headers(Headers all) && { return headers_ = std::move(all), std::move(*this); }
  /// What this message's transport is asked, as NestJS's record builders do: `{{"qos", 1}, {"retain", true}}`. See the
  /// transport's README; one that knows no such options refuses the call (`errc::unsupported`).
  SendOptions& record(nlohmann::json options) & { return record_ = std::move(options), *this; }
  SendOptions&& record(nlohmann::json options) && { return record_ = std::move(options), std::move(*this); }
  /// It may be received and handled more than once without harm: retried also after the service may have had it.
  SendOptions& idempotent(bool is = true) & { return idempotent_ = is, *this; }
  SendOptions&& idempotent(bool is = true) && { return idempotent_ = is, std::move(*this); }
  /// At most so many attempts in all, 1 to 100, instead of the client's `retry.attempts`.
  SendOptions& attempts(unsigned most) & { return set_attempts(most), *this; }
  SendOptions&& attempts(unsigned most) && { return set_attempts(most), std::move(*this); }
  /// As a part of what a handler does: ends when its caller's deadline does, and has its correlation id (the header
  /// `correlation-id`, unless this call has one of its own). Without a deadline told by the caller: the usual timeout.
  SendOptions& within(const Context& context) & { return set_within(context), *this; }
  SendOptions&& within(const Context& context) && { return set_within(context), std::move(*this); }

 private:
  friend class Client;
  void set_attempts(unsigned most);
  void set_within(const Context& context);

  std::optional<std::chrono::milliseconds> timeout_;
  Headers headers_;
  nlohmann::json record_;
  std::string correlation_id_;   // of the context; empty: none
  std::chrono::steady_clock::time_point not_after_ = std::chrono::steady_clock::time_point::max();
  std::optional<bool> idempotent_;
  std::uint8_t attempts_ = 0;
};

/// An event that is on its way. Its outcome may be awaited (it is an `asio::awaitable<Emitted>`), blocked on, or ignored.
/// Letting go of it does not stop the event.
class Emission : public Call<Emitted> {
 public:
  using Call<Emitted>::Call;
  Emission(Call<Emitted> call) : Call<Emitted>(std::move(call)) {}
};

/// Events that are on their way together. See `Client::emit_batch`.
using BatchEmission = Call<std::vector<Result<Emitted>>>;

namespace detail {
task<std::vector<Result<Emitted>>> outcomes(std::vector<Emission> emissions);
}

/// Sends requests and events to the services of one transport, as `clients` in the config file says.
///
/// Lazy: connects at the first call, and by itself again after a loss. A call made while there is no connection waits for
/// the outcome of the next attempt (with `"offlineQueue": true`: for a connection) within its deadline.
/// What was in flight when a connection goes ends at once with `ConnectionError`.
///
/// Lifetime: a handle; copies share one connection, which its `Application` closes. It may outlive that, but not be called.
/// Threads:  any, all functions.
class Client {
 public:
  explicit Client(std::shared_ptr<detail::ClientCore> core) : core_(std::move(core)) {}

  /// Requests a value. Cold: nothing leaves before the result is awaited.
  /// Completes: with the reply; of several values, with the last, at their end. `send<void>` ignores values.
  /// Errors:    `RpcError` (the handler's), `NoHandlerError`, `TimeoutError` after `timeout` (30 s), `ConnectionError`,
  ///            `CancelledError`, `OverloadedError` (`errc::circuit_open` among them), `SerializationError`; `fate()` says
  ///            what the peer may have seen.
  template <class R, class T>
  Call<R> send(Pattern pattern, const T& payload, SendOptions options = {}) const {
    return request<R>(message(std::move(pattern), &payload, std::move(options), core_->settings().timeout));
  }
  /// The same without a payload: `data` is absent on the wire, and the handler sees NestJS's undefined. So does an empty
  /// `ferry::Payload`.
  template <class R>
  Call<R> send(Pattern pattern) const {
    return request<R>(message<detail::Nothing>(std::move(pattern), nullptr, {}, core_->settings().timeout));
  }

  /// Requests a stream of values. Cold, as `send`.
  template <class R, class T>
  ReplyStream<R> stream(Pattern pattern, const T& payload, SendOptions options = {}) const {
    return ReplyStream<R>(message(std::move(pattern), &payload, std::move(options), core_->settings().timeout), core_);
  }
  template <class R>
  ReplyStream<R> stream(Pattern pattern) const {
    return ReplyStream<R>(message<detail::Nothing>(std::move(pattern), nullptr, {}, core_->settings().timeout), core_);
  }

  /// Requests with a stream of messages, answered by one value or by a stream, on transports that carry such (`memory`, `grpc`). Cold.
  template <class R, class T>
  Duplex<R, T> duplex(Pattern pattern, SendOptions options = {}) const {
    return Duplex<R, T>(message<detail::Nothing>(std::move(pattern), nullptr, std::move(options), core_->settings().timeout),
                        core_);
  }

  /// Emits an event. Hot: on its way when this returns; the outcome may be awaited or ignored.
  /// Completes: `confirmed` when the broker has it, if the transport can tell; else `accepted` when the bytes were taken.
  /// Errors:    as `send`, after `emitTimeout` (5 s); `OverloadedError` when the client's bound on calls is reached.
  template <class T>
  Emission emit(Pattern pattern, const T& payload, SendOptions options = {}) const {
    return start_event(message(std::move(pattern), &payload, std::move(options), core_->settings().emit_timeout));
  }
  Emission emit(Pattern pattern) const {
    return start_event(message<detail::Nothing>(std::move(pattern), nullptr, {}, core_->settings().emit_timeout));
  }
  /// Emits each of a range of values, with the same options. Hot, as `emit`, and in their order.
  /// Completes: when all have ended, with the outcome of each, in the range's order. Does not throw for a failed one.
  template <std::ranges::input_range Values>
  BatchEmission emit_batch(const Pattern& pattern, const Values& values, const SendOptions& options = {}) const {
    std::vector<Emission> all;
    if constexpr (std::ranges::sized_range<Values>) all.reserve(std::ranges::size(values));
    for (const auto& value : values) all.push_back(emit(pattern, value, options));
    return {detail::outcomes(std::move(all)), core_->loop()};
  }

  /// Connects now rather than at the first call. Throws `ConnectionError` if the attempt fails.
  Call<void> connect() const;
  /// Ends what is under way with `ConnectionError` (errc::closed), sends events already taken, disconnects. For good.
  Call<void> close() const;

  Status status() const noexcept { return core_->status(); }
  /// Called at every change, on the client's loop.
  void on_status(StatusHandler handler) const { core_->on_status_change(std::move(handler)); }
  /// The circuit breaker's state. It becomes half-open with the first call after `circuit.openFor`.
  Circuit circuit() const noexcept { return core_->circuit(); }
  /// Called at every change, on the client's loop.
  void on_circuit(CircuitHandler handler) const { core_->on_circuit_change(std::move(handler)); }
  /// Errors that belong to no call. Without a handler they are logged.
  void on_error(ErrorHandler handler) const { core_->on_error(std::move(handler)); }
  /// Requests and events not yet ended.
  std::size_t in_flight() const noexcept { return core_->in_flight(); }
  const detail::ClientCounters& counters() const noexcept { return core_->counters(); }
  const std::string& name() const noexcept { return core_->settings().name; }
  spi::Loop& loop() const noexcept { return core_->loop(); }

  /// The driver's own object, null if it has none of that type (yet). See the transport's README for the type.
  template <class T>
  T* unwrap() const {
    const spi::NativeHandle handle = core_->native();
    return handle.type != nullptr && *handle.type == typeid(T) ? static_cast<T*>(handle.object) : nullptr;
  }

 private:
  template <class T>
  detail::Message message(Pattern&& pattern, const T* payload, SendOptions&& options, std::chrono::milliseconds timeout) const {
    detail::Message out{std::move(pattern)};
    out.timeout = options.timeout_.value_or(timeout);
    out.headers = std::move(options.headers_);
    out.record = std::move(options.record_);
    out.not_after = options.not_after_;
    out.idempotent = options.idempotent_;
    out.attempts = options.attempts_;
    if (!options.correlation_id_.empty() && !out.headers.contains("correlation-id")) {
      out.headers.set("correlation-id", options.correlation_id_);
    }
    if constexpr (!std::is_same_v<T, detail::Nothing>) {
      if constexpr (std::is_same_v<T, Payload>) {
        if (!payload->has_value()) return out;   // an empty payload: none
      }
      out.has_payload = true;
      try {
        detail::encode(core_->serializer_for(out.pattern), *payload, out.payload);
      } catch (...) {
        out.fault = std::current_exception();
      }
    }
    return out;
  }
  template <class R>
  Call<R> request(detail::Message&& message) const {
    using Request = detail::Request<R>;
    return {Request::run(detail::OperationPtr(new Request(detail::Operation::Kind::request, std::move(message), core_))),
            core_->loop()};
  }
  Emission start_event(detail::Message&& message) const;

  std::shared_ptr<detail::ClientCore> core_;
};

}  // namespace ferry
