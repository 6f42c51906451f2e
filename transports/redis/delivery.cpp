#include "transports/redis/delivery.hpp"

#include <utility>

#include "transports/common/extension.hpp"
#include "transports/redis/service.hpp"

namespace ferry::redis {

RedisDelivery::RedisDelivery(std::shared_ptr<Service> service, net::ChunkPtr memory, std::string_view channel,
                             std::string_view reply_channel, EntryName entry)
    : LiveDelivery(service->live(), service->loop(), service->serializer()),
      service_(std::move(service)),
      memory_(std::move(memory)),
      channel_(channel),
      reply_channel_(reply_channel),
      entry_(entry) {}

Headers RedisDelivery::headers() const {
  Headers headers = Delivery::headers();
  extension::strip_own_headers(headers);
  return headers;
}

void RedisDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (kind != spi::ReplyKind::item) finished();
  if (expects_reply()) service_->reply(*this, kind, payload);
}

void RedisDelivery::settle(spi::Settlement outcome) { service_->settle(*this, outcome); }
bool RedisDelivery::writable() const { return service_->writable(); }
void RedisDelivery::when_writable(std::function<void()> ready) { service_->when_writable(std::move(ready)); }

}  // namespace ferry::redis
