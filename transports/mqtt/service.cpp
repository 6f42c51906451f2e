#include "transports/mqtt/service.hpp"

#include <algorithm>
#include <utility>

#include "ferry/log.hpp"
#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/mqtt/error.hpp"
#include "transports/mqtt/properties.hpp"

namespace ferry::mqtt {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view reply_suffix = "/reply";
constexpr auto longest_retry_delay = std::chrono::milliseconds(1min);

bool carries_payload(spi::ReplyKind kind) {
  return kind == spi::ReplyKind::item || kind == spi::ReplyKind::last_item || kind == spi::ReplyKind::error;
}

}  // namespace

Service::Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink)
    : loop_(*environment.loop),
      serializer_(*environment.serializer),
      sink_(sink),
      settings_(server_settings(environment)),
      access_(std::make_shared<const Access>(settings_.access)),
      extensions_(environment.extensions),
      live_(std::make_shared<transports::LiveDeliveries>(*environment.loop)),
      session_(*environment.loop, access_, settings_.max_inflight, *this),
      retries_(*environment.loop, [this](Message message) { deliver(std::move(message)); }) {}

Service::~Service() = default;

// --- connections ----------------------------------------------------------------------------------------------------

void Service::listen(const std::vector<spi::Subscription>& subscriptions, Done done) {
  Failure failure;
  if (routes_.empty() && !routes_.read(subscriptions, settings_, failure)) {
    return loop_.post([failure, done = std::move(done)] { done(&failure); });
  }
  done_ = std::move(done);
  connector_ = std::make_shared<Connector>(loop_, access_, attempts_++,
                                           [this](const Failure* why, std::shared_ptr<Connection> connection) {
                                             connector_.reset();   // not called any more once this is shut
                                             if (why != nullptr) return std::exchange(done_, nullptr)(why);
                                             connected(std::move(connection));
                                           });
  loop_.post([connector = connector_] { connector->start(); });
}

void Service::connected(std::shared_ptr<Connection> connection) {
  endpoint_ = connection->name();
  share(connection);
  session_.begin(std::move(connection));
  std::vector<TopicFilter> filters = routes_.filters();
  if (extensions_) filters.push_back({std::string(extension::cancel_pattern), {}});
  apply_hold();
  if (filters.empty()) return listening();
  session_.subscribe(filters, {subscribed, 0});
}

void Service::on_subscribed(const Ticket&, const Codes& answer) {
  const std::vector<TopicFilter>& filters = routes_.filters();
  for (std::size_t i = 0; i < filters.size(); ++i) {
    const auto code = static_cast<std::uint8_t>(i < answer.codes.size() ? answer.codes[i] : '\x80');
    const bool too_low = settings_.at_least_once && code == 0;
    if (code < 0x80 && !too_low) continue;
    const MqttError error = too_low                                  ? MqttError::qos_not_supported
                            : access_->version() == Version::v3_1_1 ? MqttError::subscription_refused
                                                                     : static_cast<MqttError>(code);
    return lost(refusal("cannot subscribe to \"" + filters[i].filter + '"', error, answer.reason));
  }
  listening();
}

void Service::listening() {
  if (done_) std::exchange(done_, nullptr)(nullptr);
}

void Service::on_lost(const Failure& why, const std::vector<Ticket>&) { lost(why); }

void Service::lost(const Failure& why) {
  const Failure failure = why;   // a connection's own goes with it
  share(nullptr);
  session_.drop();
  congested_ = false;
  wake_writers();
  drained();
  if (done_) return std::exchange(done_, nullptr)(&failure);
  if (!silent_.load(std::memory_order_acquire)) sink_.on_disconnected(failure);
}

spi::NativeHandle Service::native() noexcept {
  net::Socket* socket = session_.connected() ? session_.connection()->socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

void Service::share(std::shared_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  shared_connection_ = std::move(connection);
}

std::shared_ptr<Connection> Service::any_thread_connection() const {
  const std::lock_guard lock(mutex_);
  return shared_connection_;
}

// --- pushing back ---------------------------------------------------------------------------------------------------

void Service::hold(bool held) {
  held_ = held;
  apply_hold();
}

void Service::apply_hold() {
  session_.hold(held_ || congested_);
  // Not from inside a call of core's: what waits for its next attempt goes to a handler at once.
  loop_.post([self = shared_from_this()] { self->retries_.hold(self->held_); });
}

void Service::on_relieved() {
  if (std::exchange(congested_, false)) apply_hold();
  wake_writers();
}

bool Service::writable() const {
  const std::shared_ptr<Connection> connection = any_thread_connection();
  return !connection || (!connection->congested() && connection->afar_bytes() <= settings_.access.high_water_bytes);
}

void Service::when_writable(std::function<void()> ready) {
  loop_.post([self = shared_from_this(), ready = std::move(ready)]() mutable {
    if (self->session_.connected() && self->session_.connection()->congested()) self->writers_.push_back(std::move(ready));
    else ready();
  });
}

void Service::wake_writers() {
  const std::vector<std::function<void()>> writers = std::exchange(writers_, {});
  for (const auto& ready : writers) ready();
}

// --- the end --------------------------------------------------------------------------------------------------------

/// The server is asked to bring nothing more, and what it brings until it says so is handled. But a session that lasts keeps
/// its subscriptions: what comes from now on is left unacknowledged, and comes again when the service does.
void Service::drain(std::function<void()> done) {
  drained_ = std::move(done);
  draining_ = true;
  retries_.clear();
  if (!session_.connected() || access_->session_lasts || routes_.empty()) {
    return loop_.post([self = shared_from_this()] { self->drained(); });
  }
  std::vector<std::string> filters;
  for (const TopicFilter& each : routes_.filters()) filters.push_back(each.filter);
  session_.unsubscribe(filters, {unsubscribed, 0});
}

void Service::on_unsubscribed(const Ticket&) { drained(); }

void Service::drained() {
  if (drained_) std::exchange(drained_, nullptr)();
}

void Service::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  done_ = nullptr;
  retries_.clear();
  session_.close(limit, [self = shared_from_this(), done = std::move(done)] {
    self->shut();
    done();
  });
}

void Service::shut() {
  silence();
  done_ = nullptr;
  drained_ = nullptr;
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  retries_.clear();
  share(nullptr);
  session_.drop();
  wake_writers();
  live_->close();
}

// --- messages -------------------------------------------------------------------------------------------------------

void Service::on_message(const Publish& packet, const ArrivalPtr& arrival) {
  if (take_cancel(packet)) return;
  if (draining_ && access_->session_lasts) return;
  Message message{session_.memory(), packet, routes_.find(packet.topic), arrival};
  if (message.route.empty()) message.route = message.packet.topic;   // of an earlier life of the session: core says who misses it
  if (!arrival && settings_.at_least_once) message.arrival = std::make_shared<Arrival>();
  deliver(std::move(message));
}

void Service::deliver(Message message) {
  auto* const delivery = new MqttDelivery(shared_from_this(), std::move(message));
  spi::DeliveryPtr owner(delivery);
  const Message& kept = delivery->message();
  const char* fault = transports::read_broker_message(serializer_, kept.packet.payload, kept.route,
                                                      transports::Unreadable::is_text, delivery->received(), delivery->scratch());
  if (fault != nullptr) {
    const std::string topic(kept.packet.topic);
    report(Failure(errc::bad_message, "a message on the topic " + topic + " cannot be read: " + fault));
    return finish(kept, settings_.at_least_once ? spi::Settlement::dead_letter : spi::Settlement::reject, false);
  }
  if (is_reply(kept, delivery->view())) return finish(kept, spi::Settlement::ack, false);
  if (kept.arrival) ++kept.arrival->attempts;
  if (delivery->expects_reply() && extensions_) meet(*delivery);
  if (!silent_.load(std::memory_order_relaxed)) sink_.on_message(std::move(owner));
}

/// A filter such as `users/#` also takes in the replies to `users/42`. NestJS hands them to the handler, as events; here they
/// are left alone, which is what a service that never asked can do with a reply.
bool Service::is_reply(const Message& message, const spi::RequestView& view) const {
  if (!message.packet.topic.ends_with(reply_suffix) || message.route == message.packet.topic || view.has_id) return false;
  const std::string_view body = message.packet.payload;
  if (view.payload.size() != body.size()) return false;
  spi::ReplyView reply;
  if (serializer_.read_reply(body, reply) != nullptr || reply.id.empty()) return false;
  const bool foreign = reply.has_value && reply.value.size() == body.size();
  return !foreign;
}

bool Service::take_cancel(const Publish& message) {
  if (!extensions_ || message.topic != extension::cancel_pattern) return false;
  spi::RequestView view;
  if (serializer_.read_request(message.payload, view) == nullptr && view.has_payload) live_->give_up(view.payload);
  return true;
}

/// A request that carries one of our headers comes from a ferry peer, who may cancel it: with MQTT 5 as user properties, with
/// 3.1.1 in the packet's metadata.
void Service::meet(MqttDelivery& delivery) {
  const std::string_view properties = delivery.message().packet.properties;
  const std::string_view raw = delivery.view().headers;
  if (properties.empty() && raw.empty()) return;
  bool asks = false;
  bool ferry = false;
  std::string_view response;
  std::string_view correlation;
  std::chrono::milliseconds timeout = extension::TimeoutNotice::none;
  PropertyReader reader(properties);
  for (Property each; reader.next(each);) {
    if (each.id == PropertyId::response_topic) response = each.text;
    if (each.id == PropertyId::correlation_data) correlation = each.text;
    if (each.id != PropertyId::user_property) continue;
    if (each.text == extension::peer_header) asks = true;
    if (each.text == extension::timeout_header) {
      ferry = true;
      timeout = extension::TimeoutNotice::parse(each.value).value_or(extension::TimeoutNotice::none);
    }
  }
  if (!raw.empty()) {
    extension::TimeoutNotice notice;
    notice.read(serializer_, raw);
    if (notice.value() != extension::TimeoutNotice::none) timeout = notice.value();
    ferry = ferry || timeout != extension::TimeoutNotice::none || extension::find_header(serializer_, raw, extension::timeout_header);
    asks = asks || (!ferry && extension::find_header(serializer_, raw, extension::peer_header));
  }
  if (!asks && !ferry) return;
  if (timeout != extension::TimeoutNotice::none) delivery.set_deadline(std::chrono::steady_clock::now() + timeout);
  if (!response.empty()) delivery.set_response(response, correlation);
  delivery.enlist();
  if (asks) say_hello(delivery);
}

void Service::say_hello(const MqttDelivery& delivery) {
  std::string nothing;
  std::string head;
  std::string tail;
  serializer_.write_reply({spi::ReplyKind::end, extension::raw_id(serializer_, extension::hello_id)}, head, tail);
  const std::string topic = std::string(delivery.message().packet.topic).append(reply_suffix);
  if (session_.connected()) session_.publish({topic, {}, 0, false, false, head, &nothing, tail}, {});
}

// --- what becomes of them -------------------------------------------------------------------------------------------

void Service::settle(const MqttDelivery& delivery, spi::Settlement outcome) {
  const Message& message = delivery.message();
  if (!message.arrival && outcome != spi::Settlement::dead_letter) return;
  const bool reply_lost = delivery.reply_lost();
  if (loop_.in_loop()) return finish(message, outcome, reply_lost);
  loop_.post([self = shared_from_this(), message, outcome, reply_lost] { self->finish(message, outcome, reply_lost); });
}

void Service::finish(const Message& message, spi::Settlement outcome, bool reply_lost) {
  Arrival* const arrival = message.arrival.get();
  if (arrival != nullptr && reply_lost) {
    arrival->answered = false;   // not acknowledged, and asked again
    return;
  }
  if (outcome == spi::Settlement::requeue && arrival != nullptr) {
    if (draining_ && arrival->id != 0) return;   // comes again when the service does
    const bool last = arrival->attempts >= settings_.max_deliver || retries_.size() >= access_->receive_maximum || draining_;
    if (!last) {
      const auto delay = settings_.retry_delay * (std::int64_t{1} << std::min(arrival->attempts - 1, 16U));
      return retries_.add(message, std::min(delay, std::max(longest_retry_delay, settings_.retry_delay)));
    }
    outcome = spi::Settlement::dead_letter;
  }
  if (outcome == spi::Settlement::dead_letter) dead_letter(message);
  if (arrival != nullptr && arrival->id != 0) session_.settle(*arrival);
}

/// The server has the dead letter before it sees the acknowledgement that follows on the same connection: neither is lost
/// without the other.
void Service::dead_letter(const Message& message) {
  const Publish& from = message.packet;
  const std::string attempts = std::to_string(message.arrival ? message.arrival->attempts : 1);
  const std::string what = "an event on the topic " + std::string(from.topic) + " is given up after " + attempts + " attempts";
  const std::string& prefix = settings_.dead_letter;
  if (prefix.empty() || from.topic.starts_with(prefix) || !session_.connected()) {
    return report(Failure(errc::rejected, what + ", and dropped", Fate::confirmed));
  }
  std::string properties;
  if (access_->version() == Version::v5) {
    for (const auto& [name, value] : user_properties(from.properties)) append_user_property(properties, name, value);
    append_user_property(properties, "dead-letter-topic", from.topic);
    append_user_property(properties, "dead-letter-attempts", attempts);
  }
  const std::string topic = prefix + std::string(from.topic);
  std::string body(from.payload);
  const Outgoing letter{topic, properties, 1, false, false, {}, &body, {}};
  Failure failure;
  if (topic.size() > 65535 || !session_.admits(letter, failure)) {
    return report(Failure(failure.code, what + ", and cannot be published to " + topic + ": " + failure.detail));
  }
  session_.publish(letter, {dead_lettered, 0});
  report(Failure(errc::rejected, what + "; it is published to " + topic, Fate::confirmed));
}

void Service::on_published(const Ticket& ticket, const Failure* failure) {
  if (ticket.kind != dead_lettered || failure == nullptr || failure->code == errc::no_handler) return;
  report(Failure(failure->code, "a dead letter was refused: " + failure->detail, Fate::not_sent));
}

void Service::report(const Failure& failure) const {
  if (!silent_.load(std::memory_order_acquire)) sink_.on_error(failure);
}

// --- replies --------------------------------------------------------------------------------------------------------

bool Service::reply(const MqttDelivery& delivery, spi::ReplyKind kind, std::string& payload) {
  const bool in_loop = loop_.in_loop();
  const std::shared_ptr<Connection> other = in_loop ? nullptr : any_thread_connection();
  const Connection* const connection = in_loop ? session_.connection().get() : other.get();
  if (connection == nullptr) return false;
  thread_local std::string head;
  thread_local std::string tail;
  thread_local std::string topic;
  thread_local std::string properties;
  thread_local std::string packet;
  for (std::string* each : {&head, &tail, &topic, &properties, &packet}) each->clear();
  std::string none;
  std::string* body = carries_payload(kind) ? &payload : &none;
  PublishHead publish;
  if (delivery.response_topic().empty()) {
    publish.topic = topic.append(delivery.message().packet.topic).append(reply_suffix);
  } else {
    publish.topic = delivery.response_topic();
    if (!delivery.correlation().empty()) append_text(properties, PropertyId::correlation_data, delivery.correlation());
    publish.properties = properties;
  }
  serializer_.write_reply({kind, delivery.view().id}, head, tail);
  if (const std::size_t size = publish_size(access_->version(), publish, head.size() + body->size() + tail.size());
      size > connection->max_packet_bytes()) {
    // The caller must not wait for what cannot come.
    const std::string why = "the reply is too long for MQTT: " + std::to_string(size) + " bytes, " +
                            std::to_string(connection->max_packet_bytes()) + " are possible";
    head.clear();
    tail.clear();
    none.clear();
    body = &none;
    serializer_.encode({{"status", "error"}, {"message", why}}, none);
    serializer_.write_reply({spi::ReplyKind::error, delivery.view().id}, head, tail);
  }
  append_publish_head(packet, access_->version(), publish, head.size() + body->size() + tail.size());
  if (!in_loop) return other->send_from_afar(packet.append(head), *body, tail);
  const std::shared_ptr<Connection>& own = session_.connection();
  own->out().append(packet, head, *body, tail);
  own->appended();
  if (!congested_ && own->congested()) {
    congested_ = true;
    apply_hold();
  }
  return true;
}

}  // namespace ferry::mqtt
