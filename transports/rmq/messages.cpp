// What a service does with its messages: handed on, answered, settled, tried again, given up.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/rmq/copy_headers.hpp"
#include "transports/rmq/error.hpp"
#include "transports/rmq/service.hpp"

namespace ferry::rmq {
namespace {

bool carries_payload(spi::ReplyKind kind) {
  return kind == spi::ReplyKind::item || kind == spi::ReplyKind::last_item || kind == spi::ReplyKind::error;
}

std::uint64_t number_of(const Properties& properties, std::string_view header) {
  std::uint64_t number = 0;
  if (!properties.headers) return number;
  const auto text = find_header(*properties.headers, header);
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

/// A quorum queue counts by itself, and so also the deliveries that a service did not survive.
}  // namespace

std::uint32_t RmqDelivery::deliveries() const noexcept {
  const rmq::Properties& properties = content_.properties;
  return static_cast<std::uint32_t>(number_of(properties, deliveries_header) + number_of(properties, "x-delivery-count") + 1);
}

// --- in -------------------------------------------------------------------------------------------------------------

void Service::on_method(Connection& connection, const Method& method) {
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD: return take_confirmation(method);
    case AMQP_BASIC_CANCEL_METHOD: {
      const std::string queue = method.channel == work && setup_ ? setup_->queue() : "ferry.cancel";
      return connection.destroy(Failure(RmqError::consumer_cancelled, "Connection closed: the broker ended the consumer of \"" +
                                                                          queue + "\": the queue was deleted"));
    }
    case AMQP_BASIC_CANCEL_OK_METHOD: return drained();
    default:
      if (method.channel == cancels) cancels_setup_->take(method);
      else if (setup_) setup_->take(method);
  }
}

void Service::on_content(Connection& connection, Content& content) {
  if (content.returned) {
    if (content.channel != copies) return;   // a reply that nobody takes
    return connection.destroy(unroutable(content.exchange, content.routing_key));   // the queue is declared again then
  }
  if (content.channel == cancels) return take_cancel(content.body);
  if (draining_ && acknowledges()) return;   // it goes back to the queue when the connection ends
  auto* const made = new RmqDelivery(shared_from_this(), std::move(content), connection_number_);
  const spi::DeliveryPtr delivery(made);
  transports::read_envelope(serializer_, made->received().body, transports::Unreadable::is_text, made->envelope(), made->scratch());
  if (settings_.topology.wildcards) {
    if (const std::string* route = topics_.find(made->view())) made->set_route(*route);
  }
  if (made->view().pattern_form == spi::RequestView::PatternForm::absent && settings_.retry) {
    report(Failure(errc::bad_message, "a message in the queue " + settings_.topology.queue +
                                          " says no pattern, and goes to the dead letters"));
    return made->settle(spi::Settlement::dead_letter);
  }
  if (extensions_ && made->view().has_id && made->received().properties.headers) meet(*made);
  if (!silent()) sink_.on_message(delivery);
}

/// A request that carries one of our headers comes from a ferry peer, who may cancel it.
void Service::meet(RmqDelivery& delivery) {
  const std::string_view table = *delivery.received().properties.headers;
  if (table.empty()) return;
  if (const auto text = find_header(table, extension::timeout_header)) {
    delivery.enlist();
    const auto limit = extension::TimeoutNotice::parse(*text);
    if (limit) delivery.set_deadline(detail::coarse_now() + *limit);
  } else if (find_header(table, extension::peer_header)) {
    delivery.enlist();
    say_hello(delivery);
  }
}

void Service::say_hello(const RmqDelivery& delivery) {
  Properties properties;
  properties.correlation_id = extension::hello_id;
  Publication to;
  to.routing_key = delivery.received().properties.reply_to.value_or(std::string_view());
  to.properties = &properties;
  std::string nothing;
  head_.clear();
  tail_.clear();
  serializer_.write_reply({spi::ReplyKind::end, extension::raw_id(serializer_, extension::hello_id)}, head_, tail_);
  Failure ignored;
  connection_->publish(work, to, head_, nothing, tail_, ignored);
}

void Service::take_cancel(std::string_view body) {
  spi::RequestView view;
  if (serializer_.read_request(body, view) == nullptr && view.has_payload) live_->give_up(view.payload);
}

// --- from other threads ---------------------------------------------------------------------------------------------

void Service::leave(Left left) {
  const std::lock_guard lock(mutex_);
  left_bytes_ += left.payload.size();
  left_.push_back(std::move(left));
  if (std::exchange(left_posted_, true)) return;
  loop_.post([self = shared_from_this()] { self->do_what_was_left(); });
}

void Service::do_what_was_left() {
  std::vector<Left> left;
  {
    const std::lock_guard lock(mutex_);
    left_posted_ = false;
    left.swap(left_);
    left_bytes_ = 0;
  }
  for (Left& each : left) {
    switch (each.what) {
      case Left::What::reply: send_reply(*each.delivery, each.kind, each.payload); break;
      case Left::What::settle: settle_now(*each.delivery, each.outcome); break;
      case Left::What::give_back: nack(*each.delivery, true); break;
    }
  }
}

// --- replies --------------------------------------------------------------------------------------------------------

void Service::reply(RmqDelivery& delivery, spi::ReplyKind kind, std::string& payload) {
  if (loop_.in_loop()) return send_reply(delivery, kind, payload);
  leave({spi::DeliveryPtr(&delivery), &delivery, Left::What::reply, kind, {}, carries_payload(kind) ? std::move(payload) : std::string()});
}

void Service::send_reply(RmqDelivery& delivery, spi::ReplyKind kind, std::string& payload) {
  const Properties& request = delivery.received().properties;
  if (!connection_ || !request.reply_to) return;   // as if it had been lost on the way
  std::string none;
  Properties properties;
  properties.headers = std::string_view();
  properties.correlation_id = request.correlation_id;
  Publication to;
  to.routing_key = *request.reply_to;
  to.properties = &properties;
  head_.clear();
  tail_.clear();
  // The correlation id says whose it is; only this one packet says it in its body as well.
  const bool with_id = kind == spi::ReplyKind::no_handler;
  serializer_.write_reply({kind, with_id ? delivery.view().id : std::string_view()}, head_, tail_);
  Failure failure;
  if (!connection_->publish(work, to, head_, carries_payload(kind) ? payload : none, tail_, failure)) {
    failure.detail = "a reply was dropped: " + failure.detail;
    return loop_.post([self = shared_from_this(), failure = std::move(failure)] { self->report(failure); });
  }
  if (congested_ || !connection_->congested()) return;
  congested_ = true;
  apply_hold();
}

// --- what becomes of them -------------------------------------------------------------------------------------------

void Service::require_acknowledgement() const {
  if (acknowledges()) return;
  throw Error(errc::unsupported, "nothing is to be acknowledged: the service has \"noAck\": true; set it to false");
}

bool Service::of_this_connection(const RmqDelivery& delivery) const noexcept {
  return connection_ && delivery.connection() == connection_number_;
}

void Service::settle(RmqDelivery& delivery, spi::Settlement outcome) {
  if (loop_.in_loop()) return settle_now(delivery, outcome);
  leave({spi::DeliveryPtr(&delivery), &delivery, Left::What::settle, {}, outcome});
}

void Service::give_back(RmqDelivery& delivery) {
  if (loop_.in_loop()) return nack(delivery, true);
  leave({spi::DeliveryPtr(&delivery), &delivery, Left::What::give_back});
}

void Service::nack(const RmqDelivery& delivery, bool requeue) {
  if (!of_this_connection(delivery)) return;
  connection_->send(work, AMQP_BASIC_NACK_METHOD, amqp_basic_nack_t{delivery.delivery_tag(), 0, requeue});
}

/// What came on a connection that is gone the broker delivers again by itself.
void Service::settle_now(RmqDelivery& delivery, spi::Settlement outcome) {
  if (!of_this_connection(delivery)) return;
  switch (outcome) {
    case spi::Settlement::ack:
      connection_->send(work, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{delivery.delivery_tag(), 0});
      return;
    case spi::Settlement::reject: return nack(delivery, false);
    case spi::Settlement::requeue: return settings_.retry ? retry(delivery) : nack(delivery, true);
    case spi::Settlement::dead_letter: return keep_dead(delivery, delivery.deliveries(), "the handler rejected it");
  }
}

/// It waits in the retry queue, from where the broker brings it back. Classic queues do not count deliveries: the copy does.
void Service::retry(RmqDelivery& delivery) {
  const RetrySettings& settings = *settings_.retry;
  const std::uint64_t deliveries = delivery.deliveries();
  if (settings.max_deliver != 0 && deliveries >= settings.max_deliver) {
    return keep_dead(delivery, deliveries, "its handler failed too often");
  }
  copy_to(delivery, settings.retry_queue, deliveries, std::to_string(settings.delay.count()), {});
}

void Service::keep_dead(RmqDelivery& delivery, std::uint64_t deliveries, std::string_view cause) {
  // With a dead-letter exchange the broker does it.
  if (!settings_.retry || settings_.retry->dead_letter_queue.empty()) return nack(delivery, false);
  copy_to(delivery, settings_.retry->dead_letter_queue, deliveries, {}, cause);
}

/// The message is acknowledged once the broker has confirmed the copy.
void Service::copy_to(RmqDelivery& delivery, const std::string& queue, std::uint64_t deliveries, const std::string& expiration,
                      std::string_view cause) {
  const Content& original = delivery.received();
  std::string table = without_header(original.properties.headers.value_or(std::string_view()), deliveries_header);
  append_header(table, deliveries_header, std::to_string(deliveries));
  if (expiration.empty()) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    append_header(table, origin_header, settings_.topology.queue);
    append_header(table, cause_header, cause);
    append_header(table, time_header, std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  }
  Properties properties = original.properties;
  properties.headers = table;
  properties.delivery_mode = 2;
  properties.expiration.reset();
  if (!expiration.empty()) properties.expiration = expiration;
  properties.user_id.reset();   // the broker takes no other than our own
  Publication to;
  to.routing_key = queue;
  to.mandatory = true;
  to.properties = &properties;
  std::string body(original.body);
  Failure failure;
  if (connection_->publish(copies, to, {}, body, {}, failure)) return copies_.add(delivery.delivery_tag());
  failure.detail = "an event cannot be copied to the queue " + queue + ": " + failure.detail;
  loop_.post([self = shared_from_this(), failure, number = connection_number_] {
    self->report(failure);
    // It comes again with the next connection, which is not made at once.
    if (self->connection_ && self->connection_number_ == number) self->connection_->destroy(failure);
  });
}

void Service::take_confirmation(const Method& method) {
  if (method.channel != copies || !connection_) return;
  if (method.id == AMQP_BASIC_NACK_METHOD) {
    return connection_->destroy(Failure(RmqError::nacked, "Connection closed: the broker does not take failed events over: the queue " +
                                                              settings_.retry->retry_queue + " is full, or it failed"));
  }
  const auto& ack = method.as<amqp_basic_ack_t>();
  copies_.settle(ack.delivery_tag, ack.multiple != 0, [this](std::uint64_t tag) {
    connection_->send(work, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{tag, 0});
  });
  if (closed_ && copies_.size() == 0) close_now(std::chrono::seconds(1));
}

}  // namespace ferry::rmq
