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
  post([self = shared_from_this(), this, failure = std::move(failure)] { report(failure); });
}

void LiveMessages::close() noexcept {
  sink_ = nullptr;
  LiveDeliveries::close();
}

// --- NatsDelivery ---------------------------------------------------------------------------------------------------

NatsDelivery::NatsDelivery(std::shared_ptr<LiveMessages> live, MessagePtr message)
    : LiveDelivery(live, live->loop(), live->serializer()), message_(std::move(message)),
      native_(headers_of(message_.get())), subject_(natsMsg_GetSubject(message_.get())) {}

NatsDelivery::~NatsDelivery() {
  if (settler_) settler_->forget(*this);
  messages().spend(std::move(message_));
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
  if (kind != spi::ReplyKind::item) finished();
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
  if (messages().outlet().publish({subject, nullptr, body, nullptr}, failure)) return;
  if (failure.code == errc::connection_lost) return;   // as if it had been lost on the way
  failure.detail = "a reply was dropped: " + failure.detail;
  messages().post_report(std::move(failure));
}

void NatsDelivery::settle(spi::Settlement outcome) {
  if (settler_) settler_->settle(*this, outcome);
}

bool NatsDelivery::writable() const {
  const auto connection = messages().outlet().connection();
  return !connection || connection->writable();
}

void NatsDelivery::when_writable(std::function<void()> ready) {
  const auto connection = messages().outlet().connection();
  if (!connection) return messages().loop().post(std::move(ready));
  connection->when_writable(std::move(ready));
}

}  // namespace ferry::nats
