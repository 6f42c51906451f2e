#include "ferry/client.hpp"

#include <utility>

namespace ferry {
namespace detail {

void refuse_to_block_on_a_loop() {
  if (spi::Loop::current() != nullptr) {
    throw std::logic_error("ferry: get() would block one of ferry's own threads; co_await the call there");
  }
}

void Event::on_done(Failure* failure, bool inside_call) {
  std::unique_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    if (failure != nullptr) failure_ = std::move(*failure);
    waiter = std::move(waiter_);
  }
  if (waiter) waiter.release()->complete(core_->loop(), !inside_call);
}

void Event::wait(std::unique_ptr<Waiter> waiter) {
  {
    const std::lock_guard lock(mutex_);
    if (!done_) {
      waiter_ = std::move(waiter);
      return;
    }
  }
  waiter.release()->complete(core_->loop(), false);
}

void Event::check() {
  if (failure_) throw_failure(*failure_);
}

namespace {

task<Emitted> emitted(OperationPtr keep, bool confirms) {
  auto& event = static_cast<Event&>(*keep.get());
  co_await event.async_wait(asio::use_awaitable);
  event.check();
  co_return confirms ? Emitted::confirmed : Emitted::accepted;
}

task<Emitted> not_encoded(std::exception_ptr fault) {
  std::rethrow_exception(fault);
  co_return Emitted::accepted;
}

task<void> connected(std::shared_ptr<ClientCore> core) {
  Message nothing{Pattern("connect")};
  nothing.timeout = core->settings().timeout;

  class Connection final : public Awaited {
   public:
    using Awaited::Awaited;
    bool on_value(const spi::Serializer&, std::string_view, bool, Failure&) override { return true; }
  };
  auto* connection = new Connection(Operation::Kind::connect, std::move(nothing), std::move(core));
  const OperationPtr keep(connection);
  co_await connection->async_run(asio::use_awaitable);
  connection->check();
}

/// A function of its own: GCC 12 would destroy the capturing lambda twice if it stood in the expression under co_await.
template <class Token>
auto async_close(const std::shared_ptr<ClientCore>& core, Token&& token) {
  return asio::async_initiate<Token, void()>(
      [core](auto handler) {
        using Handler = decltype(handler);
        auto waiter = std::make_shared<std::unique_ptr<Waiter>>(
            std::make_unique<WaiterFor<Handler>>(std::move(handler), core->loop()));
        core->close(core->settings().emit_timeout,
                    [core, waiter] { waiter->release()->complete(core->loop(), false); });
      },
      token);
}

task<void> closed(std::shared_ptr<ClientCore> core) { co_await async_close(core, asio::use_awaitable); }

}  // namespace
}  // namespace detail

Emission Client::start_event(detail::Message message) const {
  if (message.fault) return Call<Emitted>(detail::not_encoded(message.fault), core_->loop());
  auto* event = new detail::Event(std::move(message), core_);
  detail::OperationPtr keep(event);
  event->deadline = std::chrono::steady_clock::now() + event->message.timeout;
  core_->start(keep);
  return Call<Emitted>(detail::emitted(std::move(keep), core_->transport().capabilities().ack), core_->loop());
}

Call<void> Client::connect() const { return {detail::connected(core_), core_->loop()}; }
Call<void> Client::close() const { return {detail::closed(core_), core_->loop()}; }

}  // namespace ferry
