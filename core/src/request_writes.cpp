#include "ferry/detail/request_writes.hpp"

#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

namespace ferry::detail {

/// A function of its own, for GCC 12 (see reply_stream.cpp).
template <class Token>
auto RequestWrites::async_write(OperationPtr operation, RequestWrites& self, std::function<void()> start,
                                std::optional<std::string> payload, Token&& token) {
  return asio::async_initiate<Token, void()>(
      [operation = std::move(operation), &self, start = std::move(start), payload = std::move(payload)](auto handler) mutable {
        using Completion = decltype(handler);
        ClientCore& core = *self.core_;
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
          slot.assign([engine = self.core_, operation](asio::cancellation_type) { engine->cancel(operation); });
        }
        auto waiter = std::make_shared<std::unique_ptr<Waiter>>(
            std::make_unique<WaiterFor<Completion>>(std::move(handler), core.loop()));
        core.loop().post([operation, &self, start, payload = std::move(payload), waiter]() mutable {
          self.payload_ = std::move(payload);
          self.waiter_ = std::move(*waiter);
          if (self.over_) return self.complete(false);
          start();
          if (operation->transmitted) self.go_on(*operation.get());
        });
      },
      token);
}

task<bool> RequestWrites::write(OperationPtr operation, RequestWrites& self, std::function<void()> start,
                                std::optional<std::string> payload) {
  co_await async_write(operation, self, std::move(start), std::move(payload), asio::use_awaitable);
  co_return self.taken_;
}

void RequestWrites::go_on(Operation& operation) {
  if (waiter_ && core_->write(operation, payload_ ? &*payload_ : nullptr)) complete(!over_);
}

void RequestWrites::end() {
  over_ = true;
  complete(false);
}

void RequestWrites::complete(bool taken) {
  if (!waiter_) return;
  taken_ = taken;
  std::exchange(waiter_, nullptr).release()->complete(core_->loop(), false);
}

}  // namespace ferry::detail
