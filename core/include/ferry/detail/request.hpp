#pragma once
// The typed part of `send` and `emit`.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/call.hpp"
#include "ferry/detail/client_core.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/operation.hpp"
#include "ferry/detail/waiter.hpp"

namespace ferry {

/// How an event ended that did not fail.
enum class Emitted : unsigned char {
  accepted,   ///< handed to a transport that confirms nothing
  confirmed,  ///< the broker has it
};

namespace detail {

/// Decodes a value that came, into `out`. False with `failure` set if it is not of that type.
template <class T>
bool decode_value(const spi::Serializer& serializer, std::string_view payload, bool present, std::optional<T>& out,
                  Failure& failure) {
  try {
    out.emplace(present ? decode<T>(serializer, payload) : decode_missing<T>());
    return true;
  } catch (const Error& error) {
    failure = error.failure();
  } catch (const std::exception& error) {
    failure = Failure(errc::bad_payload, error.what());
  }
  failure.detail = "the reply is not of the type asked for: " + failure.detail;
  failure.fate = Fate::confirmed;
  return false;
}

/// A call that one coroutine waits for.
template <class R>
class Request final : public Operation {
 public:
  /// What the awaiting coroutine is given: `R`, or an optional of one that cannot be made without a value.
  using Given = std::conditional_t<std::is_void_v<R> || std::is_default_constructible_v<R>, R, std::optional<R>>;

  Request(Kind k, Message&& m, std::shared_ptr<ClientCore> core) : Operation(k, std::move(m)), core_(std::move(core)) {}

  /// The call as a coroutine that has not begun.
  static task<R> run(OperationPtr request) {
    if constexpr (std::is_same_v<R, Given>) {
      return initiate(std::move(request));
    } else {
      return unwrap(initiate(std::move(request)));
    }
  }

  bool on_value(const spi::Serializer& serializer, std::string_view payload, bool present, Failure& failure) override {
    if constexpr (std::is_void_v<R>) {
      return true;
    } else {
      return decode_value(serializer, payload, present, value_, failure);   // of several values the last counts
    }
  }

  void on_done(Failure* failure, bool inside_call) override {
    if (failure != nullptr) {
      error_ = make_exception(std::move(*failure));
    } else if constexpr (!std::is_void_v<R>) {
      if (!value_) settle_without_value();
    }
    if (waiter_) waiter_.release()->complete(core_->loop(), !inside_call);
  }

 private:
  /// Gives the awaiting coroutine the outcome. The coroutine, which the handler owns, holds the request.
  struct Deliver {
    Request* request;
    template <class Handler>
    void operator()(Handler& handler) {
      Request& self = *request;
      if constexpr (std::is_void_v<R>) {
        std::move(handler)(std::move(self.error_));
      } else if constexpr (std::is_same_v<R, Given>) {
        std::move(handler)(std::move(self.error_), self.value_ ? std::move(*self.value_) : R());
      } else {
        std::move(handler)(std::move(self.error_), std::move(self.value_));
      }
    }
  };

  /// Straight to an awaitable: a coroutine of ours in between would cost a frame for each call.
  static task<Given> initiate(OperationPtr request) {
    if constexpr (std::is_void_v<R>) {
      return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr)>(Start{std::move(request)},
                                                                                            asio::use_awaitable);
    } else {
      return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr, Given)>(
          Start{std::move(request)}, asio::use_awaitable);
    }
  }

  struct Start {
    OperationPtr request;
    template <class Handler>
    void operator()(Handler handler) {
      static_cast<Request&>(*request.get()).start(std::move(handler));
    }
  };

  template <class Handler>
  void start(Handler handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([core = core_, self = OperationPtr(this)](asio::cancellation_type) { core->cancel(self); });
    }
    auto waiter = std::make_unique<WaiterFor<Handler, Deliver>>(std::move(handler), core_->loop(), Deliver{this});
    if (message.fault) {
      error_ = message.fault;
      waiter.release()->complete(core_->loop(), false);
      return;
    }
    waiter_ = std::move(waiter);
    deadline = deadline_of(message);
    core_->start(OperationPtr(this));
  }

  void settle_without_value() {
    if constexpr (is_optional<R> || is_dom<R> || std::is_same_v<R, Payload>) {
      value_.emplace();
    } else {
      error_ = make_exception(Failure(errc::no_reply, "pattern " + message.pattern.route() +
                                                          ": the handler completed without a value; ask for void or "
                                                          "std::optional if that is expected", Fate::confirmed));
    }
  }

  static task<R> unwrap(task<Given> inner) { co_return *co_await std::move(inner); }

  std::shared_ptr<ClientCore> core_;
  std::unique_ptr<Waiter> waiter_;
  std::exception_ptr error_;
  [[no_unique_address]] std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value_;
};

/// An event: started at once, perhaps awaited later, perhaps never.
class Event final : public Operation {
 public:
  Event(Message&& m, std::shared_ptr<ClientCore> core) : Operation(Kind::event, std::move(m)), core_(std::move(core)) {}
  ~Event() override;

  /// Its outcome as a coroutine that has not begun.
  static task<Emitted> outcome(OperationPtr event);

  bool on_value(const spi::Serializer&, std::string_view, bool, Failure&) override { return true; }
  void on_done(Failure* failure, bool inside_call) override;

 private:
  struct Deliver;
  struct Wait;
  void wait(std::unique_ptr<Waiter> waiter);
  static Waiter* ended() noexcept;

  std::shared_ptr<ClientCore> core_;
  std::exception_ptr error_;
  std::atomic<Waiter*> waiter_{nullptr};   // the outcome (`ended`) and who waits for it may come from two threads
};

}  // namespace detail
}  // namespace ferry
