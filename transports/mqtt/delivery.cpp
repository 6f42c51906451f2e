#include "transports/mqtt/delivery.hpp"

#include <utility>

#include "transports/common/extension.hpp"
#include "transports/mqtt/properties.hpp"
#include "transports/mqtt/service.hpp"

namespace ferry::mqtt {

MqttDelivery::MqttDelivery(std::shared_ptr<Service> service, Message message)
    : LiveDelivery(service->live(), service->loop(), service->serializer()),
      service_(std::move(service)),
      message_(std::move(message)) {}

/// The packet's metadata, and MQTT's own user properties, which win.
Headers MqttDelivery::headers() const {
  Headers headers = Delivery::headers();
  for (const auto& [name, value] : user_properties(message_.packet.properties)) headers.set(name, value);
  extension::strip_own_headers(headers);
  return headers;
}

MqttContext::Packet MqttDelivery::packet() const {
  const Publish& from = message_.packet;
  Packet out;
  out.payload = from.payload;
  out.qos = from.qos;
  out.retain = from.retain;
  out.duplicate = from.duplicate;
  PropertyReader reader(from.properties);
  for (Property each; reader.next(each);) {
    if (each.id == PropertyId::content_type) out.content_type = each.text;
    else if (each.id == PropertyId::response_topic) out.response_topic = each.text;
    else if (each.id == PropertyId::correlation_data) out.correlation_data = each.text;
  }
  out.user_properties = user_properties(from.properties);
  extension::strip_own_headers(out.user_properties);
  return out;
}

void MqttDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (kind != spi::ReplyKind::item) finished();
  if (expects_reply() && !service_->reply(*this, kind, payload)) reply_lost_.store(true, std::memory_order_release);
}

void MqttDelivery::settle(spi::Settlement outcome) { service_->settle(*this, outcome); }
bool MqttDelivery::writable() const { return service_->writable(); }
void MqttDelivery::when_writable(std::function<void()> ready) { service_->when_writable(std::move(ready)); }

}  // namespace ferry::mqtt
