#include "ferry/detail/reply_stream.hpp"

#include <utility>

#include <asio/async_result.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/detail/waiter.hpp"
#include "ferry/error.hpp"

namespace ferry::detail {
namespace {

constexpr std::size_t writes_between_yields = 64;

void check_wanted(const spi::Delivery& delivery) {
  if (delivery.abandoned()) {
    throw CancelledError(errc::cancelled, "nobody waits for the stream: its caller cancelled, or its connection is gone");
  }
}

/// Completes when the delivery is writable or abandoned, after a turn of the loop at the earliest. A function of its own:
/// GCC 12 would destroy the capturing lambda twice if it stood in the expression under co_await.
template <class Token>
auto async_writable(const spi::DeliveryPtr& delivery, Token&& token) {
  return asio::async_initiate<Token, void()>(
      [delivery](auto handler) {
        using Completion = decltype(handler);
        const spi::Loop& loop = delivery->loop();
        auto waiter = std::make_shared<std::unique_ptr<Waiter>>(
            std::make_unique<WaiterFor<Completion>>(std::move(handler), loop));
        loop.post([delivery, waiter] {
          const auto go_on = [delivery, waiter] {
            if (*waiter) waiter->release()->complete(delivery->loop(), true);
          };
          if (delivery->writable() || delivery->abandoned()) {
            go_on();
          } else {
            delivery->when_writable(go_on);
          }
        });
      },
      token);
}

}  // namespace

// A value is held back until the next one, the end, or the end of the loop's turn: NestJS marks the last value of a stream
// as the last where it can, and so do we. Only on the delivery's own loop; elsewhere values leave at once.
struct ReplyStreamState::Held {
  Invocation* invocation = nullptr;   // null when the handler has ended
  std::optional<std::string> payload;
  bool release_posted = false;

  void release() {
    if (!payload || invocation == nullptr) return;
    std::string bytes = std::move(*payload);
    payload.reset();
    invocation->item(bytes);
  }
};

ReplyStreamState::ReplyStreamState(Invocation& invocation) : invocation_(invocation) {}

ReplyStreamState::~ReplyStreamState() {
  if (held_) held_->invocation = nullptr;
}

task<void> ReplyStreamState::write(std::string payload) {
  const spi::DeliveryPtr delivery = invocation_.delivery();
  check_wanted(*delivery);
  if (!delivery->loop().in_loop()) {
    invocation_.item(payload);
  } else {
    if (!held_) {
      held_ = std::make_shared<Held>();
      held_->invocation = &invocation_;
    }
    held_->release();
    held_->payload = std::move(payload);
    if (!std::exchange(held_->release_posted, true)) {
      delivery->loop().post([held = held_] {
        held->release_posted = false;
        held->release();
      });
    }
  }
  if (!delivery->writable() || ++since_yield_ == writes_between_yields) {
    since_yield_ = 0;
    co_await async_writable(delivery, asio::use_awaitable);
    check_wanted(*delivery);
  }
}

void ReplyStreamState::end() {
  if (held_ && held_->payload) {
    std::string bytes = std::move(*held_->payload);
    held_->payload.reset();
    invocation_.last(bytes);
  } else {
    invocation_.end();
  }
}

void ReplyStreamState::release() {
  if (held_) held_->release();
}

}  // namespace ferry::detail
