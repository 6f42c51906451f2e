#pragma once
// The typed part of `send` and `emit`.

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/call.hpp"
#include "ferry/detail/client_core.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/operation.hpp"
#include "ferry/detail/waiter.hpp"

namespace ferry::detail {

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

/// An operation one coroutine waits for.
class Awaited : public Operation {
 public:
  Awaited(Kind k, Message m, std::shared_ptr<ClientCore> core) : Operation(k, std::move(m)), core_(std::move(core)) {}

  void on_done(Failure* failure, bool inside_call) override {
    if (failure != nullptr) failure_ = std::move(*failure);
    failed_ = failure != nullptr;
    std::unique_ptr<Waiter> waiter = std::move(waiter_);
    const std::shared_ptr<ClientCore> core = core_;   // completing may end the caller's last handle
    if (waiter) waiter.release()->complete(core->loop(), !inside_call);
  }

  /// Starts it and completes when it has ended. Once.
  template <class Token>
  auto async_run(Token&& token) {
    return asio::async_initiate<Token, void()>(
        [this](auto handler) {
          using Handler = decltype(handler);
          auto slot = asio::get_associated_cancellation_slot(handler);
          if (slot.is_connected()) {
            slot.assign([core = core_, self = OperationPtr(this)](asio::cancellation_type) { core->cancel(self); });
          }
          waiter_ = std::make_unique<WaiterFor<Handler>>(std::move(handler), core_->loop());
          deadline = std::chrono::steady_clock::now() + message.timeout;
          core_->start(OperationPtr(this));
        },
        token);
  }

  /// Throws if it failed.
  void check() {
    if (failed_) throw_failure(std::move(failure_));
  }
  ClientCore& core() const noexcept { return *core_; }

 private:
  std::shared_ptr<ClientCore> core_;
  std::unique_ptr<Waiter> waiter_;
  Failure failure_;
  bool failed_ = false;
};

template <class R>
class Request final : public Awaited {
 public:
  Request(Message m, std::shared_ptr<ClientCore> core) : Awaited(Kind::request, std::move(m), std::move(core)) {}

  bool on_value(const spi::Serializer& serializer, std::string_view payload, bool present, Failure& failure) override {
    if constexpr (std::is_void_v<R>) {
      return true;
    } else {
      return decode_value(serializer, payload, present, value_, failure);   // of several values the last counts
    }
  }

  R take() {
    check();
    if constexpr (!std::is_void_v<R>) {
      if (!value_) {
        if constexpr (is_optional<R> || is_dom<R> || std::is_same_v<R, Payload>) {
          return R();
        } else {
          throw Error(errc::no_reply, "pattern " + message.pattern.route() + ": the handler completed without a value; " +
                                          "ask for void or std::optional if that is expected", Fate::confirmed);
        }
      }
      return std::move(*value_);
    }
  }

 private:
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value_;
};

template <class R>
task<R> run_request(std::shared_ptr<ClientCore> core, Message message) {
  if (message.fault) std::rethrow_exception(message.fault);
  auto* request = new Request<R>(std::move(message), std::move(core));
  const OperationPtr keep(request);
  co_await request->async_run(asio::use_awaitable);
  if constexpr (std::is_void_v<R>) {
    request->take();
  } else {
    co_return request->take();
  }
}

/// An event: started at once, perhaps awaited later, perhaps never.
class Event final : public Operation {
 public:
  Event(Message m, std::shared_ptr<ClientCore> core) : Operation(Kind::event, std::move(m)), core_(std::move(core)) {}

  bool on_value(const spi::Serializer&, std::string_view, bool, Failure&) override { return true; }
  void on_done(Failure* failure, bool inside_call) override;

  template <class Token>
  auto async_wait(Token&& token) {
    return asio::async_initiate<Token, void()>(
        [this](auto handler) {
          using Handler = decltype(handler);
          auto slot = asio::get_associated_cancellation_slot(handler);
          if (slot.is_connected()) {
            slot.assign([core = core_, self = OperationPtr(this)](asio::cancellation_type) { core->cancel(self); });
          }
          wait(std::make_unique<WaiterFor<Handler>>(std::move(handler), core_->loop()));
        },
        token);
  }
  /// After it has ended. Throws if it failed.
  void check();

 private:
  void wait(std::unique_ptr<Waiter> waiter);

  std::shared_ptr<ClientCore> core_;
  std::mutex mutex_;   // the outcome and who waits for it may come from two threads
  std::unique_ptr<Waiter> waiter_;
  std::optional<Failure> failure_;
  bool done_ = false;
};

}  // namespace ferry::detail
