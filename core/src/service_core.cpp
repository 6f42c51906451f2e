#include "service_core.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <utility>

#include <asio/post.hpp>
#include <asio/strand.hpp>

#include "event_chain.hpp"
#include "ferry/detail/clock.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/json_value.hpp"
#include "ferry/error.hpp"
#include "ferry/log.hpp"

namespace ferry::detail {
namespace {

std::string pattern_text(const spi::RequestView& view) {
  if (view.pattern_form == spi::RequestView::PatternForm::absent) return "undefined";
  constexpr std::size_t shown = 200;
  return std::string(view.pattern.substr(0, shown)) + (view.pattern.size() > shown ? "…" : "");
}

/// What is taken at once, running or waiting: of a service whose limit on what runs is another, or lower.
std::size_t max_taken(const ServiceSettings& settings) {
  constexpr std::size_t usual = 10000;
  return settings.admission.any() ? std::max(settings.max_concurrency, usual) : settings.max_concurrency;
}

std::string words_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& failure) {
    return failure.what();
  } catch (...) {
    return "something that is no std::exception was thrown";
  }
}

}  // namespace

ServiceCore::ServiceCore(ServiceSettings settings, const spi::Transport& transport, spi::Loop& loop, Runtime& runtime)
    : settings_(std::move(settings)),
      transport_(transport),
      loop_(loop),
      runtime_(runtime),
      reconnect_(settings_.reconnect, std::random_device()()),
      max_taken_(max_taken(settings_)) {
  if (settings_.admission.any()) {
    admission_ = std::make_unique<Admission>(settings_.admission, loop,
                                             Admission::Hooks{[this](spi::DeliveryPtr delivery) { start(std::move(delivery)); },
                                                              [this](bool hold) { hold_back(Hold::admission, hold); }});
  }
  if (!settings_.retry) return;
  const auto over = [this](spi::DeliveryPtr delivery, bool again) {
    if (!again) return put_back(delivery);
    counters_.retried.fetch_add(1, std::memory_order_relaxed);
    admission_ ? admission_->resume(std::move(delivery)) : start(std::move(delivery));
  };
  retries_ = std::make_unique<Retries>(*settings_.retry,
                                       Retries::Hooks{over, [this](bool hold) { hold_back(Hold::retries, hold); }});
}

// ---- messages --------------------------------------------------------------------------------------------------------

void ServiceCore::on_message(spi::DeliveryPtr delivery) {
  counters_.messages.fetch_add(1, std::memory_order_relaxed);
  const RouteEntry* entry = router_.find(delivery->view());
  if (entry == nullptr) return unhandled(delivery);
  if (expired(*delivery)) return delivery->settle(spi::Settlement::ack);
  if (active_.fetch_add(1) + 1 >= max_taken_) too_many_taken();
  const bool poison = retries_ && settings_.retry->poison && delivery->deliveries() > settings_.retry->attempts;
  if (poison && !delivery->expects_reply()) {
    retries_->cause(*delivery, {"delivered " + std::to_string(delivery->deliveries()) + " times, and never seen to the end", ""});
    return give_up(delivery);
  }
  if (admission_) return admission_->admit(delivery) ? void() : follow(delivery);
  dispatch(*entry, std::move(delivery));
}

/// Nobody waits for it any more.
bool ServiceCore::expired(const spi::Delivery& delivery) {
  if (!delivery.abandoned() && !(delivery.deadline() && *delivery.deadline() <= coarse_now())) return false;
  counters_.expired.fetch_add(1, std::memory_order_relaxed);
  return true;
}

/// It was taken before, and may run now.
void ServiceCore::start(spi::DeliveryPtr delivery) {
  if (expired(*delivery)) {
    if (admission_) admission_->skipped(*delivery);
    return settle(*delivery, spi::Settlement::ack);
  }
  const RouteEntry& entry = *router_.find(delivery->view());
  dispatch(entry, std::move(delivery));
}

void ServiceCore::dispatch(const RouteEntry& entry, spi::DeliveryPtr delivery) {
  if (entry.message) return run(entry.message, Invocation(std::move(delivery), *this, entry.route));
  if (entry.events.size() == 1) return run(entry.events.front(), Invocation(std::move(delivery), *this, entry.route));
  const auto chain = std::make_shared<EventChain>(entry.events.size());
  for (std::size_t i = 0; i < entry.events.size(); ++i) {
    run(entry.events[i], Invocation(delivery, *this, entry.route, chain, i));
  }
}

void ServiceCore::run(const std::shared_ptr<Handler>& handler, Invocation invocation) {
  if (!settings_.pool) return handler->invoke(std::move(invocation));
  asio::post(runtime_.pool(), [handler, invocation = std::move(invocation)]() mutable { handler->invoke(std::move(invocation)); });
}

void ServiceCore::unhandled(const spi::DeliveryPtr& delivery) {
  counters_.unhandled.fetch_add(1, std::memory_order_relaxed);
  const std::string pattern = pattern_text(delivery->view());
  if (delivery->expects_reply()) {
    log(LogLevel::debug, "service " + settings_.name, "no message handler for the pattern " + pattern);
    std::string nothing;
    delivery->reply(spi::ReplyKind::no_handler, nothing);
  } else {
    log(LogLevel::warn, "service " + settings_.name,
        "There is no matching event handler defined in the remote service. Event pattern: " + pattern);
  }
  delivery->settle(spi::Settlement::reject);
}

asio::any_io_executor ServiceCore::handler_executor(const spi::Loop& loop) {
  return settings_.pool ? asio::any_io_executor(asio::make_strand(runtime_.pool())) : loop.executor();
}

std::string ServiceCore::error_payload(const std::exception_ptr& error, const spi::Delivery& delivery,
                                       std::string_view route) {
  std::string body = error_body(error, delivery, route);
  if (retries_) retries_->cause(delivery, {words_of(error), delivery.expects_reply() ? body : std::string()});
  return body;
}

std::string ServiceCore::error_body(const std::exception_ptr& error, const spi::Delivery& delivery, std::string_view route) {
  const std::string where = "service " + settings_.name;
  const std::string what = std::string("the handler of ") + std::string(route) + " failed: ";
  // Of what a caller is told, nothing is lost. Of an event nobody else hears.
  const auto level = [&delivery](LogLevel of_request) { return delivery.expects_reply() ? of_request : LogLevel::error; };
  const auto body = [&delivery](const nlohmann::json& value) {
    std::string payload;
    delivery.serializer().errors().encode(value, payload);
    return payload;
  };
  try {
    std::rethrow_exception(error);
  } catch (const RpcError& failure) {
    // What NestJS's RpcException does: objects and arrays verbatim, anything else becomes the message.
    log(level(LogLevel::debug), where, what + failure.what());
    JsonReader reader(failure.body_text());
    nlohmann::json value;
    if (!read_dom(reader, value)) value = failure.what();
    return body(value.is_structured() ? value : nlohmann::json{{"status", "error"}, {"message", value}});
  } catch (const RefusedPayload& failure) {
    // The caller's doing, so that it says nothing of ours.
    log(level(LogLevel::warn), where, what + failure.what());
    return body(delivery.serializer().payload_error(failure.what()));
  } catch (const std::exception& failure) {
    // A handler that was cancelled ends with whatever it awaited; nobody waits for its answer.
    log(delivery.abandoned() ? LogLevel::debug : LogLevel::error, where, what + failure.what());
  } catch (...) {
    log(LogLevel::error, where, what + "something that is no std::exception was thrown");
  }
  return body({{"status", "error"}, {"message", "Internal server error"}});
}

bool ServiceCore::may_retry(const spi::Delivery& delivery) {
  return retries_ && retries_->may_be_tried_again(delivery) && !retries_->draining();
}

void ServiceCore::failed_with(const spi::Delivery& delivery, const std::exception_ptr& error) {
  if (retries_) retries_->cause(delivery, {words_of(error), ""});
}

void ServiceCore::finished(const spi::Delivery& delivery, bool succeeded, bool again) noexcept {
  if (!succeeded) counters_.failed.fetch_add(1, std::memory_order_relaxed);
  spi::Delivery& own = const_cast<spi::Delivery&>(delivery);
  // A request is done with its answer, whatever that says; an event whose handler failed is not done.
  if (succeeded || (delivery.expects_reply() && !again)) return settle(own, spi::Settlement::ack);
  retries_ ? failed(spi::DeliveryPtr(&own)) : settle(own, unsettled());
}

/// Of what could not be handled, where nothing else is said.
spi::Settlement ServiceCore::unsettled() const noexcept {
  return settings_.at_least_once ? spi::Settlement::requeue : spi::Settlement::reject;
}

void ServiceCore::failed(spi::DeliveryPtr delivery) {
  if (!retries_->may_be_tried_again(*delivery)) return give_up(delivery);
  if (admission_) admission_->pause(*delivery);
  retries_->wait(std::move(delivery));
}

bool ServiceCore::can_go_back(const spi::Delivery& delivery) const {
  return delivery.expects_reply() ? delivery.can_be_requeued() : settings_.at_least_once;
}

/// It is to be tried again, and not here: the service drains.
void ServiceCore::put_back(const spi::DeliveryPtr& delivery) {
  if (can_go_back(*delivery)) {
    const auto behind = admission_ ? admission_->leave(*delivery) : std::deque<spi::DeliveryPtr>();
    settle(*delivery, spi::Settlement::requeue);
    for (const spi::DeliveryPtr& each : behind) follow(each);
    return;
  }
  if (!delivery->expects_reply()) return give_up(delivery);
  std::string answer = retries_->take_cause(*delivery).answer;
  delivery->reply(spi::ReplyKind::error, answer);
  settle(*delivery, spi::Settlement::ack);
}

/// One before it in its order went back to the broker.
void ServiceCore::follow(const spi::DeliveryPtr& delivery) {
  can_go_back(*delivery) ? settle(*delivery, spi::Settlement::requeue) : start(delivery);
}

/// It has had its attempts.
void ServiceCore::give_up(const spi::DeliveryPtr& delivery) {
  if (delivery->expects_reply()) return settle(*delivery, unsettled());
  counters_.dead.fetch_add(1, std::memory_order_relaxed);
  const std::string& route = router_.find(delivery->view())->route;
  const std::string cause = retries_->take_cause(*delivery).text;
  log(LogLevel::error, "service " + settings_.name,
      "given up after " + std::to_string(delivery->attempt()) + " attempts: an event of " + route + ": " + cause);
  // A dead letter that cannot be handled would go round for ever.
  if (dead_letters_ && !delivery->headers().contains("dead-letter-pattern")) return bury(delivery, route, cause);
  settle(*delivery, settings_.at_least_once ? spi::Settlement::dead_letter : spi::Settlement::reject);
}

void ServiceCore::bury(const spi::DeliveryPtr& delivery, const std::string& route, const std::string& cause) {
  dead_letters_(dead_letter(delivery, route, settings_.name, cause), [this, delivery](const Failure* failure) {
    if (failure == nullptr) return settle(*delivery, spi::Settlement::ack);
    on_error(Failure(failure->code, "the dead-letter destination did not take an event: " + failure->detail, failure->fate));
    settle(*delivery, unsettled());
  });
}

/// The end of a message that was taken.
void ServiceCore::settle(spi::Delivery& delivery, spi::Settlement outcome) {
  if (retries_) retries_->take_cause(delivery);
  delivery.settle(outcome);
  if (admission_) admission_->finished(delivery);
  const std::size_t left = active_.fetch_sub(1) - 1;
  if (left < max_taken_ && held_back(Hold::taken)) hold_back(Hold::taken, false);
  if (left == 0 && status_.load(std::memory_order_acquire) == Status::draining) drained_if_idle();
}

void ServiceCore::too_many_taken() {
  hold_back(Hold::taken, true);
  // Those that ended before it was said have not seen it.
  if (active_.load() < max_taken_) hold_back(Hold::taken, false);
}

void ServiceCore::hold_back(Hold why, bool hold) {
  const auto bit = static_cast<unsigned>(why);
  const unsigned before = hold ? held_back_.fetch_or(bit) : held_back_.fetch_and(~bit);
  const unsigned now = hold ? before | bit : before & ~bit;
  if ((before == 0) == (now == 0)) return;
  loop_.post([this] {
    // What was taken must get through when it drains.
    const bool holds = held_back_.load() != 0 && status_.load(std::memory_order_acquire) != Status::draining;
    holds ? server_->pause() : server_->resume();
  });
}

// ---- life ------------------------------------------------------------------------------------------------------------

void ServiceCore::listen(std::function<void(const Failure*)> done) {
  loop_.post([this, done = std::move(done)]() mutable {
    on_status({Status::connecting, ""});
    reconnect_.wanted();
    attempt(std::move(done));
  });
}

/// `done`: of the first attempt; null for those that follow.
void ServiceCore::attempt(std::function<void(const Failure*)> done) {
  server_->listen(router_.subscriptions(), [this, done = std::move(done)](const Failure* failure) {
    const bool goes_on = failure == nullptr || settings_.wait_on_first_connect || !done;
    if (failure == nullptr) {
      if (reconnect_.state() == Reconnect::State::closed) return done ? done(nullptr) : void();   // too late: it drains, and must go on saying so
      reconnect_.connected();
      on_status({Status::connected, server_->endpoint()});
    } else if (goes_on) {
      retry(*failure);
    } else {
      stop_reconnecting();
    }
    if (done) done(goes_on ? nullptr : failure);
  });
}

void ServiceCore::on_disconnected(Failure why) {
  loop_.post([this, why = std::move(why)] { retry(why); });
}

void ServiceCore::retry(const Failure& why) {
  if (reconnect_.state() == Reconnect::State::closed) return;
  const auto delay = reconnect_.lost();
  on_status({Status::disconnected, why.detail});
  if (!delay) {
    return on_error(Failure(why.code, "no attempt to connect is left (reconnect.attempts), the service stays without its "
                                      "broker: " + why.detail, why.fate));
  }
  const std::string next = "next attempt in " + std::to_string(delay->count()) + " ms: " + why.detail;
  log(LogLevel::warn, "service " + settings_.name, next);
  on_status({Status::reconnecting, next});
  reconnect_timer_ = std::make_unique<asio::steady_timer>(loop_.executor(), *delay);
  reconnect_timer_->async_wait([this](std::error_code error) {
    if (!error && reconnect_.due()) attempt(nullptr);
  });
}

void ServiceCore::stop_reconnecting() {
  reconnect_.close();
  reconnect_timer_.reset();
}

void ServiceCore::drain(std::function<void()> done) {
  loop_.post([this, done = std::move(done)]() mutable {
    const bool listens = reconnect_.state() == Reconnect::State::connected;
    stop_reconnecting();
    on_status({Status::draining, std::to_string(active()) + " handlers run"});
    if (admission_) admission_->drain();
    if (retries_) retries_->drain();
    if (held_back_.load() != 0) server_->resume();   // what was taken must get through
    flush_handlers();
    // A broker that never answered this attempt brings nothing, and may not answer a farewell either.
    if (listens) return server_->drain([this, done = std::move(done)]() mutable { transport_drained(std::move(done)); });
    server_->drain([] {});
    transport_drained(std::move(done));
  });
}

void ServiceCore::transport_drained(std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    when_drained_ = std::move(done);
  }
  flush_handlers();   // what came last
  if (active() == 0) drained_if_idle();
}

void ServiceCore::flush_handlers() {
  for (const auto& entry : router_.entries()) {
    for (const auto& handler : entry->events) handler->flush(*this);
  }
}

void ServiceCore::drained_if_idle() {
  std::function<void()> done;
  {
    const std::lock_guard lock(mutex_);
    done = std::exchange(when_drained_, nullptr);   // null: the transport still brings messages, or it was called before
  }
  if (done) done();
}

void ServiceCore::close(std::chrono::milliseconds limit, std::function<void()> done) {
  loop_.post([this, limit, done = std::move(done)]() mutable {
    stop_reconnecting();
    server_->close(limit, [this, done = std::move(done)] {
      on_status({Status::closed, ""});
      done();
    });
  });
}

std::string ServiceCore::endpoint() const { return server_ ? server_->endpoint() : std::string(); }

void ServiceCore::on_status_change(StatusHandler handler) {
  const std::lock_guard lock(mutex_);
  status_handlers_.push_back(std::move(handler));
}

void ServiceCore::on_error_report(ErrorHandler handler) {
  const std::lock_guard lock(mutex_);
  error_handlers_.push_back(std::move(handler));
}

void ServiceCore::on_status(StatusEvent event) {
  const Status before = status_.exchange(event.status, std::memory_order_acq_rel);
  if (before == Status::connected && event.status == Status::connected) return;   // core and transport both say it
  if (log_enabled(LogLevel::debug)) {
    log(LogLevel::debug, "service " + settings_.name,
        std::string(to_string(event.status)) + (event.detail.empty() ? "" : ": ") + event.detail);
  }
  std::vector<StatusHandler> handlers;
  {
    const std::lock_guard lock(mutex_);
    handlers = status_handlers_;
  }
  for (const StatusHandler& handler : handlers) handler(event);
}

void ServiceCore::on_error(const Failure& failure) {
  counters_.peer_errors.fetch_add(1, std::memory_order_relaxed);
  std::vector<ErrorHandler> handlers;
  {
    const std::lock_guard lock(mutex_);
    handlers = error_handlers_;
  }
  log(LogLevel::warn, "service " + settings_.name, failure.detail);
  for (const ErrorHandler& handler : handlers) handler(failure);
}

}  // namespace ferry::detail
