#include "ferry/detail/invocation.hpp"

#include <stdexcept>
#include <utility>

#include "event_chain.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/error.hpp"

namespace ferry::detail {

Invocation::~Invocation() {
  if (delivery_) fail(std::make_exception_ptr(std::logic_error("the handler ended without an outcome")));
}

void Invocation::item(std::string& payload) {
  if (chain_ || !wants_reply()) return;
  replied_ = true;
  delivery_->reply(spi::ReplyKind::item, payload);
}

void Invocation::last(std::string& payload) {
  if (chain_) {
    chain_->result(chain_index_, payload);
  } else if (wants_reply()) {
    delivery_->reply(spi::ReplyKind::last_item, payload);
  }
  done(true);
}

void Invocation::end() {
  if (!chain_ && wants_reply()) {
    std::string nothing;
    delivery_->reply(spi::ReplyKind::end, nothing);
  }
  done(true);
}

void Invocation::fail(const std::exception_ptr& error) {
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

bool Invocation::may_run_again(const std::exception_ptr& error) const {
  if (!wants_reply() || replied_ || !delivery_->can_be_requeued()) return false;
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

std::string& scratch_buffer() {
  // One large value must not pin its memory for the life of the thread.
  constexpr std::size_t kept_bytes = 1 << 20;
  thread_local std::string buffer;
  if (buffer.capacity() > kept_bytes) std::string().swap(buffer);
  return buffer;
}

}  // namespace ferry::detail
