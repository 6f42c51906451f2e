#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/call.hpp"
#include "ferry/detail/client_core.hpp"
#include "ferry/detail/request.hpp"

namespace ferry {
namespace detail {

/// The engine's side of a stream of replies: filled on the loop, emptied by its one consumer.
template <class T>
class StreamRequest : public Operation {
 public:
  StreamRequest(Message&& m, std::shared_ptr<ClientCore> core, Kind k = Kind::stream)
      : Operation(k, std::move(m)), core_(std::move(core)), limit_(core_->settings().stream_buffer) {}

  bool on_value(const spi::Serializer& serializer, std::string_view payload, bool present, Failure& failure) override {
    std::optional<T> value;
    if (!decode_value(serializer, payload, present, value, failure)) return false;
    std::unique_lock lock(mutex_);
    values_.push_back(std::move(*value));
    wake(lock, true);
    return true;
  }
  void on_done(Failure* failure, bool inside_call) override {
    std::unique_lock lock(mutex_);
    done_ = true;
    if (failure != nullptr) failure_ = std::move(*failure);
    wake(lock, !inside_call);
  }
  bool full() const override {
    const std::lock_guard lock(mutex_);
    return values_.size() >= limit_;
  }

  /// Completes when there is a value, or the end.
  template <class Token>
  auto async_ready(Token&& token) {
    return asio::async_initiate<Token, void()>(
        [this](auto handler) {
          using Completion = decltype(handler);
          auto slot = asio::get_associated_cancellation_slot(handler);
          if (slot.is_connected()) {
            slot.assign([core = core_, self = OperationPtr(this)](asio::cancellation_type) { core->cancel(self); });
          }
          auto waiter = std::make_unique<WaiterFor<Completion>>(std::move(handler), core_->loop());
          std::unique_lock lock(mutex_);
          const bool ready = done_ || !values_.empty();
          if (!ready) waiter_ = std::move(waiter);
          lock.unlock();
          if (ready) {
            waiter.release()->complete(core_->loop(), false);
          } else {
            start();
          }
        },
        token);
  }
  /// The request leaves, unless it has.
  void start() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(started_, true)) return;
    }
    deadline = deadline_of(message);
    core_->start(OperationPtr(this));
  }
  bool ready() const {
    const std::lock_guard lock(mutex_);
    return done_ || !values_.empty();
  }
  /// After `ready`. Nothing at the end; throws at a failed end, after the values that came before it.
  std::optional<T> take() {
    std::unique_lock lock(mutex_);
    if (!values_.empty()) {
      std::optional<T> value(std::move(values_.front()));
      values_.pop_front();
      const bool room = values_.size() + 1 == limit_ / 2 + 1 || limit_ == 1;
      lock.unlock();
      if (room) core_->drained(OperationPtr(this));
      return value;
    }
    if (failure_) throw_failure(*failure_);
    return std::nullopt;
  }
  void abandon() {
    {
      const std::lock_guard lock(mutex_);
      if (done_ || !started_) return;
    }
    core_->cancel(OperationPtr(this));
  }
  const std::shared_ptr<ClientCore>& core() const noexcept { return core_; }

 private:
  void wake(std::unique_lock<std::mutex>& lock, bool inline_allowed) {
    std::unique_ptr<Waiter> waiter = std::move(waiter_);
    const std::shared_ptr<ClientCore> core = core_;
    lock.unlock();
    if (waiter) waiter.release()->complete(core->loop(), inline_allowed);
  }

  std::shared_ptr<ClientCore> core_;
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::deque<T> values_;
  std::unique_ptr<Waiter> waiter_;
  std::optional<Failure> failure_;
  bool started_ = false;
  bool done_ = false;
};

template <class T>
task<std::optional<T>> next_value(std::shared_ptr<StreamRequest<T>> stream) {
  if (stream->message.fault) std::rethrow_exception(stream->message.fault);
  if (!stream->ready()) co_await stream->async_ready(asio::use_awaitable);
  co_return stream->take();
}

}  // namespace detail

/// The replies to one request, in order. Cold: the request leaves with the first `next`.
///
/// A consumer that is slower than its service holds the service back: at `streamBuffer` values the client stops reading.
/// The request's timeout limits the wait for each next value; it also limits how long a full buffer may hold up the
/// connection: then the stream ends with `OverloadedError`.
///
/// Lifetime: letting go of it cancels the request.
/// Threads:  one consumer at a time.
template <class T>
class ReplyStream {
 public:
  explicit ReplyStream(detail::Message&& message, std::shared_ptr<detail::ClientCore> core)
      : request_(detail::OperationPtr(new detail::StreamRequest<T>(std::move(message), std::move(core)))) {}
  ReplyStream(ReplyStream&&) noexcept = default;
  ReplyStream& operator=(ReplyStream&& other) noexcept {
    cancel();
    request_ = std::move(other.request_);
    return *this;
  }
  ~ReplyStream() { cancel(); }

  /// The next value, or nothing at the end. Throws what ended the stream, after every value that came before.
  Call<std::optional<T>> next() {
    auto& stream = get();
    auto shared = std::shared_ptr<detail::StreamRequest<T>>(&stream, [keep = request_](auto*) {});
    return {detail::next_value<T>(std::move(shared)), stream.core()->loop()};
  }

 private:
  detail::StreamRequest<T>& get() const { return static_cast<detail::StreamRequest<T>&>(*request_.get()); }
  void cancel() noexcept {
    if (request_) get().abandon();
  }

  detail::OperationPtr request_;
};

}  // namespace ferry
