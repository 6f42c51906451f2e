#include "transports/redis/pubsub_service.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/redis/command.hpp"

namespace ferry::redis {

std::vector<std::string> PubSubService::routes() const {
  std::vector<std::string> all;
  for (const spi::Subscription& subscription : subscriptions()) {
    if (std::find(all.begin(), all.end(), subscription.route) == all.end()) all.push_back(subscription.route);
  }
  return all;
}

void PubSubService::on_connections() {
  commands().watch(settings().access.ping_interval, true);
  subscriber().watch(settings().access.ping_interval, true);
  const std::vector<std::string> all = routes();
  for (const std::string& route : all) subscribe(settings().wildcards ? "PSUBSCRIBE" : "SUBSCRIBE", route);
  if (extensions()) subscribe("SUBSCRIBE", std::string(extension::cancel_pattern));
  else if (all.empty()) listening();
}

void PubSubService::on_lost() { drained(); }

/// The server is asked to bring nothing more; what it has brought until it says so is handled. From then on callers learn
/// at once that nobody is here.
void PubSubService::drain(std::function<void()> done) {
  drained_ = std::move(done);
  draining_ = true;
  const std::vector<std::string> all = routes();
  if (!connected() || all.empty()) return loop().post([self = shared_from_this(), this] { drained(); });
  for (const std::string& route : all) {
    std::string command;
    append_command(command, {settings().wildcards ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", route});
    ++unsubscribing_;
    subscriber().send(command, {unsubscribed, 0});
  }
}

void PubSubService::drained() {
  unsubscribing_ = 0;
  if (drained_) std::exchange(drained_, nullptr)();
}

void PubSubService::shut() {
  drained_ = nullptr;
  Service::shut();
}

void PubSubService::on_reply(Connection& connection, const Expected& expected, const Value& reply) {
  if (expected.kind != unsubscribed) return Service::on_reply(connection, expected, reply);
  if (unsubscribing_ != 0 && --unsubscribing_ == 0) drained();
}

void PubSubService::on_published(Connection&, const Published& message) {
  if (take_cancel(message.channel, message.body)) return;
  const bool wildcard = !message.pattern.empty();
  auto* delivery = new RedisDelivery(std::static_pointer_cast<Service>(shared_from_this()), message.memory, message.channel);
  spi::DeliveryPtr owner(delivery);
  const char* fault = transports::read_broker_message(serializer(), message.body, wildcard ? message.pattern : message.channel,
                                                      transports::Unreadable::is_text, delivery->received(),
                                                      delivery->scratch());
  if (fault != nullptr) {
    return report(Failure(errc::bad_message, "a message on the channel " + std::string(message.channel) +
                                                 " cannot be read: " + fault));
  }
  if (wildcard && is_reply(message, delivery->view())) return;
  deliver(std::move(owner), *delivery);
}

/// A glob such as `users.*` also takes in the replies to `users.42`. NestJS hands them to the handler, as events; here they
/// are left alone, which is what a service that never asked can do with a reply.
bool PubSubService::is_reply(const Published& message, const spi::RequestView& view) const {
  if (!message.channel.ends_with(".reply") || view.has_id || view.payload.size() != message.body.size()) return false;
  spi::ReplyView reply;
  if (serializer().read_reply(message.body, reply) != nullptr || reply.id.empty()) return false;
  const bool foreign = reply.has_value && reply.value.size() == message.body.size();
  return !foreign;
}

}  // namespace ferry::redis
