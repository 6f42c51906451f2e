#include "ferry/detail/invocation.hpp"

#include <stdexcept>
#include <utility>

#include "event_chain.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/detail/passage.hpp"
#include "ferry/error.hpp"
#include "ferry/log.hpp"

namespace ferry::detail {

Invocation::Invocation(std::shared_ptr<Passage> passage)
    : delivery_(passage->outer().delivery_),
      service_(passage->outer().service_),
      route_(passage->outer().route_),
      chain_index_(0),
      passage_(std::move(passage)) {}

Invocation::~Invocation() {
  if (delivery_) fail(std::make_exception_ptr(std::logic_error("the handler ended without an outcome")));
}

asio::any_io_executor Invocation::executor() const {
  return passage_ ? passage_->executor() : service_->handler_executor(delivery_->loop());
}

/// It is over here: the rest is the pipeline's.
std::shared_ptr<Passage> Invocation::leave() {
  delivery_ = spi::DeliveryPtr();
  return std::move(passage_);
}

void Invocation::item(std::string& payload) {
  if (passage_) return passage_->item(payload);
  if (chain_ || !wants_reply()) return;
  replied_ = true;
  delivery_->reply(spi::ReplyKind::item, payload);
}

void Invocation::last(std::string& payload) {
  if (passage_) return leave()->last(payload);
  if (chain_) {
    chain_->result(chain_index_, payload);
  } else if (wants_reply()) {
    delivery_->reply(spi::ReplyKind::last_item, payload);
  }
  done(true);
}

void Invocation::end() {
  if (passage_) return leave()->end();
  if (!chain_ && wants_reply()) {
    std::string nothing;
    delivery_->reply(spi::ReplyKind::end, nothing);
  }
  done(true);
}

void Invocation::fail(const std::exception_ptr& error) {
  if (passage_) return leave()->fail(error);
  std::string payload = service_->error_payload(error, *delivery_, *route_);
  if (chain_) {
    chain_->failed(std::move(payload));
  } else if (may_run_again(error)) {
    return done(false, true);
  } else if (wants_reply()) {
    delivery_->reply(spi::ReplyKind::error, payload);
  }
  done(false);
}

void Invocation::reject(const std::exception_ptr& error, std::string& body) {
  service_->failed_with(*delivery_, error);
  log(wants_reply() ? LogLevel::debug : LogLevel::warn, "service " + std::string(service_->service_name()),
      "the handler of " + *route_ + " failed, and a filter took the exception");
  if (chain_) {
    chain_->failed(std::move(body));
  } else if (wants_reply()) {
    delivery_->reply(spi::ReplyKind::error, body);
  }
  done(false);
}

bool Invocation::may_run_again(const std::exception_ptr& error) const {
  if (!wants_reply() || replied_ || !(delivery_->can_be_requeued() || service_->may_retry(*delivery_))) return false;
  try {
    std::rethrow_exception(error);
  } catch (const RetriableError&) {
    return true;
  } catch (...) {
    return false;
  }
}

void Invocation::done(bool succeeded, bool again) {
  const spi::DeliveryPtr delivery = std::move(delivery_);
  if (chain_) {
    if (!chain_->last_one(succeeded)) return;
    chain_->answer(*delivery);
    succeeded = chain_->all_succeeded();
  }
  service_->finished(*delivery, succeeded, again);
}

void when_abandoned(const spi::DeliveryPtr& delivery, std::function<void()> hook) {
  if (delivery->loop().in_loop()) return delivery->on_abandoned(std::move(hook));
  delivery->loop().post([delivery, hook = std::move(hook)]() mutable { delivery->on_abandoned(std::move(hook)); });
}

std::string& scratch_buffer() {
  // One large value must not pin its memory for the life of the thread.
  constexpr std::size_t kept_bytes = 1 << 20;
  thread_local std::string buffer;
  if (buffer.capacity() > kept_bytes) std::string().swap(buffer);
  return buffer;
}

}  // namespace ferry::detail
