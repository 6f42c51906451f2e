#include "transports/rmq/delivery.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "transports/common/extension.hpp"
#include "transports/rmq/service.hpp"

namespace ferry::rmq {

using Form = spi::RequestView::PatternForm;

RmqDelivery::RmqDelivery(std::shared_ptr<Service> service, Content content, std::uint64_t connection)
    : LiveDelivery(service->live(), service->loop(), service->serializer()),
      service_(std::move(service)),
      content_(std::move(content)),
      connection_(connection) {}

/// The packet's metadata, and AMQP's own, which win.
Headers RmqDelivery::headers() const {
  Headers headers = Delivery::headers();
  if (content_.properties.headers) {
    for (const auto& [name, value] : headers_of(*content_.properties.headers)) headers.set(name, value);
  }
  extension::strip_own_headers(headers);
  return headers;
}

void RmqDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (kind != spi::ReplyKind::item) finished();
  if (expects_reply()) service_->reply(*this, kind, payload);
}

/// True for the first who says what becomes of the message.
bool RmqDelivery::settled_now() { return !settled_.exchange(true, std::memory_order_acq_rel); }

void RmqDelivery::settle(spi::Settlement outcome) {
  if (service_->acknowledges() && settled_now()) service_->settle(*this, outcome);
}

bool RmqDelivery::writable() const { return service_->writable(); }
void RmqDelivery::when_writable(std::function<void()> ready) { service_->when_writable(std::move(ready)); }

void RmqDelivery::set_route(std::string route) {
  form_ = std::exchange(view_.pattern_form, Form::text);
  pattern_ = view_.pattern;
  route_ = std::move(route);
  view_.pattern = route_;
}

std::string RmqDelivery::pattern() const {
  const bool replaced = !route_.empty();
  const Form form = replaced ? form_ : view_.pattern_form;
  const std::string_view text = replaced ? pattern_ : view_.pattern;
  if (form != Form::json || !text.starts_with('"')) return std::string(text);
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string(text);
}

const RmqContext::Properties& RmqDelivery::properties() const {
  if (properties_) return *properties_;
  const rmq::Properties& from = content_.properties;
  Properties& to = properties_.emplace();
  const auto set = [](std::string& text, const std::optional<std::string_view>& value) { text = value.value_or(""); };
  set(to.content_type, from.content_type);
  set(to.content_encoding, from.content_encoding);
  set(to.correlation_id, from.correlation_id);
  set(to.reply_to, from.reply_to);
  set(to.expiration, from.expiration);
  set(to.message_id, from.message_id);
  set(to.type, from.type);
  set(to.user_id, from.user_id);
  set(to.app_id, from.app_id);
  to.delivery_mode = from.delivery_mode;
  to.priority = from.priority;
  to.timestamp = from.timestamp;
  if (from.headers) to.headers = headers_of(*from.headers);
  return to;
}

void RmqDelivery::ack() {
  service_->require_acknowledgement();
  if (settled_now()) service_->settle(*this, spi::Settlement::ack);
}

void RmqDelivery::nack(bool requeue) {
  service_->require_acknowledgement();
  if (!settled_now()) return;
  if (requeue) service_->give_back(*this);
  else service_->settle(*this, spi::Settlement::reject);
}

}  // namespace ferry::rmq
