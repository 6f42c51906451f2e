#include "ferry/client.hpp"

#include <stdexcept>
#include <utility>

#include "ferry/context.hpp"
#include "ferry/fallback.hpp"

namespace ferry {

void SendOptions::set_attempts(unsigned most) {
  if (most < 1 || most > 100) throw std::invalid_argument("SendOptions::attempts: 1 to 100");
  attempts_ = static_cast<std::uint8_t>(most);
}

void SendOptions::set_within(const Context& context) {
  if (const auto deadline = context.deadline()) not_after_ = *deadline;
  correlation_id_ = context.correlation_id();
}

namespace detail {

void refuse_to_block_on_a_loop() {
  if (spi::Loop::current() != nullptr) {
    throw std::logic_error("ferry: get() would block one of ferry's own threads; co_await the call there");
  }
}

bool is_without_answer(const std::error_code& code) noexcept { return is_retryable(code) || code == errc::no_handler; }

struct Event::Deliver {
  OperationPtr event;
  template <class Handler>
  void operator()(Handler& handler) {
    auto& self = static_cast<Event&>(*event.get());
    std::move(handler)(self.error_,
                       self.core_->settings().promises.ack ? Emitted::confirmed : Emitted::accepted);
  }
};

struct Event::Wait {
  OperationPtr event;
  template <class Handler>
  void operator()(Handler handler) {
    auto& self = static_cast<Event&>(*event.get());
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([core = self.core_, event = event](asio::cancellation_type) { core->cancel(event); });
    }
    self.wait(std::make_unique<WaiterFor<Handler, Deliver>>(std::move(handler), self.core_->loop(), Deliver{event}));
  }
};

task<Emitted> Event::outcome(OperationPtr event) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr, Emitted)>(Wait{std::move(event)},
                                                                                                 asio::use_awaitable);
}

/// Stands for "no waiter, and none is needed": an address that no waiter has.
Waiter* Event::ended() noexcept {
  static char mark;
  return reinterpret_cast<Waiter*>(&mark);
}

Event::~Event() {
  Waiter* waiter = waiter_.load(std::memory_order_acquire);
  if (waiter != ended()) delete waiter;
}

void Event::on_done(Failure* failure, bool inside_call) {
  if (failure != nullptr) error_ = make_exception(std::move(*failure));
  Waiter* waiter = waiter_.exchange(ended(), std::memory_order_acq_rel);
  if (waiter != nullptr) waiter->complete(core_->loop(), !inside_call);
}

void Event::wait(std::unique_ptr<Waiter> waiter) {
  Waiter* none = nullptr;
  if (waiter_.compare_exchange_strong(none, waiter.get(), std::memory_order_acq_rel)) {
    static_cast<void>(waiter.release());
  } else {
    waiter.release()->complete(core_->loop(), false);
  }
}

namespace {

task<Emitted> not_encoded(std::exception_ptr fault) {
  std::rethrow_exception(fault);
  co_return Emitted::accepted;
}

/// A function of its own: GCC 12 would destroy the capturing lambda twice if it stood in the expression under co_await.
template <class Token>
auto async_close(const std::shared_ptr<ClientCore>& core, Token&& token) {
  return asio::async_initiate<Token, void()>(
      [core](auto handler) {
        using Completion = decltype(handler);
        auto waiter = std::make_shared<std::unique_ptr<Waiter>>(
            std::make_unique<WaiterFor<Completion>>(std::move(handler), core->loop()));
        core->close(core->settings().emit_timeout,
                    [core, waiter] { waiter->release()->complete(core->loop(), false); });
      },
      token);
}

task<void> closed(std::shared_ptr<ClientCore> core) { co_await async_close(core, asio::use_awaitable); }

}  // namespace

task<std::vector<Result<Emitted>>> outcomes(std::vector<Emission> emissions) {
  std::vector<Result<Emitted>> all;
  all.reserve(emissions.size());
  for (Emission& emission : emissions) {
    try {
      all.emplace_back(co_await std::move(emission));
    } catch (const Error& error) {
      all.emplace_back(error.failure());
    } catch (const std::exception& error) {
      all.emplace_back(Failure(errc::bad_payload, error.what(), Fate::not_sent));   // a `to_json` that threw
    }
  }
  co_return all;
}

}  // namespace detail

Emission Client::start_event(detail::Message&& message) const {
  if (message.fault) return Call<Emitted>(detail::not_encoded(message.fault), core_->loop());
  auto* event = new detail::Event(std::move(message), core_);
  detail::OperationPtr keep(event);
  event->deadline = detail::deadline_of(event->message);
  core_->start(keep);
  return Call<Emitted>(detail::Event::outcome(std::move(keep)), core_->loop());
}

Call<void> Client::connect() const {
  detail::Message nothing{Pattern("connect")};
  nothing.timeout = core_->settings().timeout;
  using Connection = detail::Request<void>;
  return {Connection::run(detail::OperationPtr(new Connection(detail::Operation::Kind::connect, std::move(nothing), core_))),
          core_->loop()};
}
Call<void> Client::close() const { return {detail::closed(core_), core_->loop()}; }

}  // namespace ferry
