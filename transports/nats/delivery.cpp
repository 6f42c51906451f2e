#include "transports/nats/delivery.hpp"

#include <utility>

#include "transports/common/extension.hpp"
#include "transports/nats/error.hpp"
#include "transports/nats/stream.hpp"

namespace ferry::nats {
namespace {

bool carries_payload(spi::ReplyKind kind) noexcept {
  return kind == spi::ReplyKind::item || kind == spi::ReplyKind::last_item || kind == spi::ReplyKind::error;
}

}  // namespace

// --- LiveMessages ---------------------------------------------------------------------------------------------------

void LiveMessages::post_report(Failure failure) {
  const std::lock_guard lock(mutex_);
  if (closed_.load(std::memory_order_relaxed)) return;
  loop_.post([self = shared_from_this(), failure = std::move(failure)] { self->report(failure); });
}

void LiveMessages::enlist(NatsDelivery& delivery) noexcept {
  delivery.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &delivery;
  first_ = &delivery;
  delivery.listed_ = true;
}

void LiveMessages::remove(NatsDelivery& delivery) noexcept {
  if (!std::exchange(delivery.listed_, false)) return;
  if (delivery.next_ != nullptr) delivery.next_->previous_ = delivery.previous_;
  (delivery.previous_ != nullptr ? delivery.previous_->next_ : first_) = delivery.next_;
}

/// Cancels are rare, and the list is no longer than the handlers that run.
void LiveMessages::give_up(std::string_view id) {
  for (NatsDelivery* each = first_; each != nullptr; each = each->next_) {
    if (each->view().id != id) continue;
    remove(*each);
    return each->give_up();   // may end it
  }
}

void LiveMessages::close() noexcept {
  sink_ = nullptr;
  {
    const std::lock_guard lock(mutex_);
    closed_.store(true, std::memory_order_release);
  }
  collect();
}

void LiveMessages::bury(NatsDelivery* delivery) noexcept {
  if (!closed_.load(std::memory_order_acquire) && loop_.in_loop()) {
    remove(*delivery);
    spent_.add(std::move(delivery->message_));
    delete delivery;
    return;
  }
  const std::lock_guard lock(mutex_);
  if (closed_.load(std::memory_order_relaxed)) {
    remove(*delivery);
    delete delivery;
    return;
  }
  delivery->grave_ = std::exchange(graves_, delivery);
  if (delivery->grave_ == nullptr) loop_.post([self = shared_from_this()] { self->collect(); });
}

void LiveMessages::collect() noexcept {
  NatsDelivery* grave = nullptr;
  {
    const std::lock_guard lock(mutex_);
    grave = std::exchange(graves_, nullptr);
  }
  while (grave != nullptr) bury(std::exchange(grave, grave->grave_));
}

// --- NatsDelivery ---------------------------------------------------------------------------------------------------

NatsDelivery::NatsDelivery(std::shared_ptr<LiveMessages> live, MessagePtr message)
    : Delivery(live->loop(), live->serializer()), live_(std::move(live)), message_(std::move(message)),
      native_(headers_of(message_.get())), subject_(natsMsg_GetSubject(message_.get())) {}

NatsDelivery::~NatsDelivery() {
  if (settler_) settler_->forget(*this);
}

/// The packet's metadata, and NATS's own, which win.
Headers NatsDelivery::headers() const {
  Headers headers = Delivery::headers();
  for (const auto& [name, value] : native_) headers.set(name, value);
  extension::strip_own_headers(headers);
  const auto id = headers.get(message_id_header);
  if (id && id->starts_with(own_message_id)) headers.erase(message_id_header);
  return headers;
}

void NatsDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (kind != spi::ReplyKind::item) finished_.store(true, std::memory_order_release);
  const char* const subject = reply_subject_of(message_.get());
  if (!expects_reply() || subject == nullptr) return;
  thread_local std::string body;
  thread_local std::string tail;
  body.clear();
  tail.clear();
  serializer().write_reply({kind, view().id}, body, tail);
  if (carries_payload(kind)) body += payload;
  body += tail;
  Failure failure;
  if (live_->outlet().publish({subject, nullptr, body, nullptr}, failure)) return;
  if (failure.code == errc::connection_lost) return;   // as if it had been lost on the way
  failure.detail = "a reply was dropped: " + failure.detail;
  live_->post_report(std::move(failure));
}

void NatsDelivery::settle(spi::Settlement outcome) {
  if (settler_) settler_->settle(*this, outcome);
}

bool NatsDelivery::writable() const {
  const auto connection = live_->outlet().connection();
  return !connection || connection->writable();
}

void NatsDelivery::when_writable(std::function<void()> ready) {
  const auto connection = live_->outlet().connection();
  if (!connection) return live_->loop().post(std::move(ready));
  connection->when_writable(std::move(ready));
}

void NatsDelivery::dispose() noexcept {
  finished_.store(true, std::memory_order_release);
  const std::shared_ptr<LiveMessages> live = live_;
  live->bury(this);
}

}  // namespace ferry::nats
