#include "ferry/detail/passage.hpp"

#include <utility>

#include <asio/async_result.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/detail/handler.hpp"
#include "ferry/error.hpp"
#include "request_scope.hpp"

namespace ferry {

task<void> Next::operator()() { return passage_->inside(*this); }
void Next::answer(Payload value) {
  answered_ = true;
  passage_->answer(*this, value);
}

namespace detail {
namespace {

[[noreturn]] void refuse() { throw RpcError("Forbidden resource"); }   // NestJS's words

}  // namespace

Passage::Passage(const Stages& stages, Handler& handler, Invocation outer)
    : stages_(stages),
      handler_(handler),
      outer_(std::move(outer)),
      context_(std::make_shared<Context>(outer_.delivery(), outer_.service().transport_name(), outer_.service().service_name(),
                                         outer_.route())),
      nexts_(stages.interceptors.empty() ? nullptr : new Next[stages.interceptors.size()]) {
  for (std::size_t i = 0; i < stages.interceptors.size(); ++i) {
    nexts_[i].passage_ = this;
    nexts_[i].level_ = i;
  }
}

Passage::~Passage() = default;

asio::any_io_executor Passage::executor() {
  if (!executor_) {
    executor_ = outer_.service().handler_executor(outer_.delivery()->loop());
    if (stages_.scoped) executor_ = ScopedExecutor(std::move(executor_), context_);
  }
  return executor_;
}

// ---- the way in, without a coroutine ---------------------------------------------------------------------------------

void Passage::run() {
  const ScopeGuard scope(stages_.scoped ? context_.get() : nullptr);
  try {
    for (const GuardStage& guard : stages_.guards) {
      if (!std::get<0>(guard)(*context_)) refuse();
    }
    for (const InterceptorStage& interceptor : stages_.interceptors) {
      Next& next = nexts_[entered_];
      std::get<0>(interceptor)(*context_, next);
      if (next.answered_) return complete(nullptr);
      ++entered_;
    }
    payload_ = Payload::view(outer_.delivery());
    for (const PipeStage& pipe : stages_.pipes) payload_ = std::get<0>(pipe)(std::move(payload_), *context_);
  } catch (...) {
    return complete(std::current_exception());
  }
  handler_.invoke(Invocation(shared_from_this()));
}

// ---- the way in, as a coroutine --------------------------------------------------------------------------------------

void Passage::spawn() {
  coroutine_ = true;
  const asio::any_io_executor where = executor();   // before anybody may cancel it there
  watch();
  const auto self = shared_from_this();
  asio::co_spawn(where, drive(self), asio::bind_cancellation_slot(signal_.slot(), [self](std::exception_ptr) {}));
}

task<void> Passage::drive(std::shared_ptr<Passage> self) {
  std::exception_ptr error;
  try {
    for (const GuardStage& guard : self->stages_.guards) {
      bool granted = false;
      if (const auto* coroutine = std::get_if<1>(&guard)) {
        auto work = (*coroutine)(*self->context_);
        granted = co_await std::move(work);
      } else {
        granted = std::get<0>(guard)(*self->context_);
      }
      if (!granted) refuse();
    }
    co_await self->level(0);
  } catch (...) {
    error = std::current_exception();
  }
  co_await self->complete_later(std::move(error));
}

task<void> Passage::level(std::size_t index) {
  return index == stages_.interceptors.size() ? innermost() : around(index);
}

task<void> Passage::around(std::size_t index) {
  Next& next = nexts_[index];
  const InterceptorStage& interceptor = stages_.interceptors[index];
  if (const auto* coroutine = std::get_if<1>(&interceptor)) {
    auto work = (*coroutine)(*context_, next);
    co_await std::move(work);
    co_return;
  }
  std::get<0>(interceptor)(*context_, next);
  if (!next.answered_) co_await inside(next);
}

task<void> Passage::inside(Next& next) {
  std::exception_ptr error;
  try {
    co_await level(next.level_ + 1);
  } catch (...) {
    error = std::current_exception();
  }
  if (next.end_hook_) next.end_hook_(error);
  if (error) std::rethrow_exception(error);
}

/// Completes when the handler has ended. A function of its own: GCC 12 would destroy the capturing lambda twice if it stood in
/// the expression under co_await.
template <class Token>
auto Passage::async_ended(Token&& token) {
  return asio::async_initiate<Token, void()>(
      [this](auto handler) {
        using Completion = decltype(handler);
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) slot.assign([this](asio::cancellation_type) { cancel_handler(); });
        const spi::Loop& loop = outer_.delivery()->loop();
        auto waiter = std::make_unique<WaiterFor<Completion>>(std::move(handler), loop);
        {
          const std::lock_guard lock(mutex_);
          if (!ended_) waiter_ = std::move(waiter);
        }
        if (waiter) waiter.release()->complete(loop, false);
      },
      token);
}

task<void> Passage::innermost() {
  payload_ = Payload::view(outer_.delivery());
  for (const PipeStage& pipe : stages_.pipes) {
    if (const auto* coroutine = std::get_if<1>(&pipe)) {
      auto work = (*coroutine)(std::move(payload_), *context_);
      payload_ = co_await std::move(work);
    } else {
      payload_ = std::get<0>(pipe)(std::move(payload_), *context_);
    }
  }
  held_.reset();   // of a run before this one
  failed_ = nullptr;
  ended_ = false;
  handler_error_ = nullptr;
  handler_.invoke(Invocation(shared_from_this()));
  co_await async_ended(asio::use_awaitable);
  if (handler_error_) std::rethrow_exception(handler_error_);
}

// ---- cancel ----------------------------------------------------------------------------------------------------------

void Passage::watch() {
  if (!outer_.wants_reply()) return;
  when_abandoned(outer_.delivery(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    if (!self->coroutine_) return self->cancel_handler();
    asio::post(self->executor_, [weak] {
      if (const auto target = weak.lock()) target->signal_.emit(asio::cancellation_type::terminal);
    });
  });
}

void Passage::on_cancel(std::function<void()> cancel) {
  {
    const std::lock_guard lock(mutex_);
    cancel_ = std::move(cancel);
  }
  if (!coroutine_) watch();
}

void Passage::cancel_handler() {
  std::function<void()> cancel;
  {
    const std::lock_guard lock(mutex_);
    cancel = cancel_;
  }
  if (cancel) cancel();
}

// ---- the way out -----------------------------------------------------------------------------------------------------

/// What the interceptors before `level` make of a value. False: it goes nowhere.
bool Passage::outwards(std::size_t level, std::string& bytes) {
  if (!outer_.wants_reply()) return true;   // not encoded
  const spi::Serializer& serializer = outer_.delivery()->serializer();
  std::optional<Payload> value;
  while (level-- > 0) {
    if (!nexts_[level].value_hook_) continue;
    if (!value) value = Payload::owned(std::move(bytes), serializer);
    value = nexts_[level].value_hook_(std::move(*value));
    if (!value->has_value()) return false;
  }
  if (value) {
    bytes.clear();
    append_payload(serializer, *value, bytes);
  }
  return true;
}

void Passage::answer(const Next& next, const Payload& value) {
  std::string bytes;
  if (outer_.wants_reply()) append_payload(outer_.delivery()->serializer(), value, bytes);
  if (!outwards(next.level_, bytes)) return;
  if (held_) outer_.item(*held_);
  held_ = std::move(bytes);
}

void Passage::item(std::string& bytes) {
  if (failed_) return;
  try {
    if (outwards(stages_.interceptors.size(), bytes)) outer_.item(bytes);
  } catch (...) {
    failed_ = std::current_exception();
    cancel_handler();
  }
}

void Passage::last(std::string& bytes) {
  try {
    if (!failed_ && outwards(stages_.interceptors.size(), bytes)) {
      if (coroutine_) held_ = std::move(bytes);
      else last_ = &bytes;
    }
  } catch (...) {
    failed_ = std::current_exception();
  }
  handler_ended(nullptr);
}

void Passage::end() { handler_ended(nullptr); }
void Passage::fail(const std::exception_ptr& error) { handler_ended(error); }

void Passage::handler_ended(const std::exception_ptr& error) {
  const std::exception_ptr& outcome = failed_ ? failed_ : error;
  if (!coroutine_) return complete(outcome);
  std::unique_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    handler_error_ = outcome;
    waiter = std::move(waiter_);
  }
  if (waiter) waiter.release()->complete(outer_.delivery()->loop(), false);
}

void Passage::complete(std::exception_ptr error) {
  while (entered_ > 0) {
    const auto& hook = nexts_[--entered_].end_hook_;
    try {
      if (hook) hook(error);
    } catch (...) {
      error = std::current_exception();
    }
  }
  if (!error) return succeed();
  std::optional<Filtered> result;
  if (!outer_.may_run_again(error)) {
    try {
      for (auto filter = stages_.filters.rbegin(); filter != stages_.filters.rend() && !result; ++filter) {
        result = filter->plain(error, *context_);
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
  finish(result, error);
}

task<void> Passage::complete_later(std::exception_ptr error) {
  if (!error) co_return succeed();
  std::optional<Filtered> result;
  if (!outer_.may_run_again(error)) {
    try {
      for (auto filter = stages_.filters.rbegin(); filter != stages_.filters.rend() && !result; ++filter) {
        if (filter->plain) {
          result = filter->plain(error, *context_);
        } else if (auto work = filter->coroutine(error, *context_)) {
          result = co_await std::move(*work);
        }
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
  finish(result, error);
}

void Passage::succeed() {
  if (last_ != nullptr) {
    outer_.last(*last_);
  } else if (held_) {
    outer_.last(*held_);
  } else {
    outer_.end();
  }
}

void Passage::finish(const std::optional<Filtered>& result, const std::exception_ptr& error) {
  if (!result) return outer_.fail(error);
  const spi::Serializer& serializer = outer_.delivery()->serializer();
  std::string bytes;
  try {
    if (!result->failed() && !result->payload().has_value()) return outer_.end();
    if (result->failed()) serializer.errors().encode(result->body(), bytes);
    else if (outer_.wants_reply()) append_payload(serializer, result->payload(), bytes);
  } catch (...) {
    return outer_.fail(std::current_exception());
  }
  result->failed() ? outer_.reject(error, bytes) : outer_.last(bytes);
}

}  // namespace detail
}  // namespace ferry
