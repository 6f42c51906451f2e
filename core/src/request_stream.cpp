#include "ferry/detail/request_stream.hpp"

#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/detail/waiter.hpp"
#include "ferry/error.hpp"

namespace ferry::detail {

// Touched on the delivery's loop, but for what arrived: between the completion of a wait and the next one it is the reader's.
struct RequestStreamState::Source : std::enable_shared_from_this<Source> {
  explicit Source(spi::DeliveryPtr from) : delivery(std::move(from)) {}

  void wait(std::unique_ptr<Waiter> who) {
    waiter = std::move(who);
    if (arrived) return complete();
    if (std::exchange(asked, true)) return;
    delivery->read([self = shared_from_this()](Result<std::optional<std::string>> message) {
      self->asked = false;
      self->arrived = std::move(message);
      self->complete();
    });
  }
  void complete() {
    if (waiter) std::exchange(waiter, nullptr).release()->complete(delivery->loop(), true);
  }

  const spi::DeliveryPtr delivery;
  std::optional<Result<std::optional<std::string>>> arrived;
  std::unique_ptr<Waiter> waiter;
  bool asked = false;
};

/// Completes when something has arrived, or the wait was cancelled. A function of its own, for GCC 12 (see reply_stream.cpp).
template <class Token>
auto RequestStreamState::async_arrived(const std::shared_ptr<Source>& source, Token&& token) {
  return asio::async_initiate<Token, void()>(
      [source](auto handler) {
        using Completion = decltype(handler);
        const spi::Loop& loop = source->delivery->loop();
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
          slot.assign([source](asio::cancellation_type) {
            source->delivery->loop().post([source] { source->complete(); });
          });
        }
        auto waiter = std::make_shared<std::unique_ptr<Waiter>>(
            std::make_unique<WaiterFor<Completion>>(std::move(handler), loop));
        loop.post([source, waiter] { source->wait(std::move(*waiter)); });
      },
      token);
}

RequestStreamState::RequestStreamState(const spi::DeliveryPtr& delivery) : source_(std::make_shared<Source>(delivery)) {}

RequestStreamState::~RequestStreamState() = default;

const spi::Serializer& RequestStreamState::serializer() const noexcept { return source_->delivery->serializer(); }

task<std::optional<std::string>> RequestStreamState::next() {
  const std::shared_ptr<Source> source = source_;
  co_await async_arrived(source, asio::use_awaitable);
  if (!source->arrived) throw CancelledError(errc::cancelled, "the wait for a message of the stream was cancelled");
  Result<std::optional<std::string>>& message = *source->arrived;
  if (!message) throw_failure(message.failure());   // the end, good or bad, stays: it is the same each time
  if (!*message) co_return std::nullopt;
  std::string payload = std::move(**message);
  source->arrived.reset();
  co_return payload;
}

}  // namespace ferry::detail
