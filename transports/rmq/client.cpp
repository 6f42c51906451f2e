#include "transports/rmq/client.hpp"

#include <algorithm>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "transports/rmq/error.hpp"
#include "transports/rmq/record.hpp"

namespace ferry::rmq {
namespace {

constexpr unsigned most_introductions = 8;     // NestJS's services are not asked for ever
constexpr std::size_t most_waiting_cancels = 1024;
constexpr std::string_view number_header = "ferry-number";   // which event it is that came back

std::string none;

}  // namespace

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : environment_(std::move(environment)),
      sink_(sink),
      settings_(client_settings(environment_)),
      access_(std::make_shared<const Access>(settings_.access)) {
  for (const auto& [name, value] : settings_.headers) append_header(default_table_, name, value);
}

Client::~Client() {
  if (connector_) connector_->cancel();
  if (connection_) connection_->drop();
}

// --- connecting -----------------------------------------------------------------------------------------------------

void Client::connect() {
  if (connector_ || connection_) return;
  connector_ = std::make_shared<Connector>(*environment_.loop, access_, attempts_++,
                                           [this](const Failure* failure, std::shared_ptr<Connection> connection) {
    connector_.reset();
    if (failure != nullptr) return sink_.on_disconnected(*failure);
    connection_ = std::move(connection);
    connection_->set_user(this);
    connected();
  });
  environment_.loop->post([connector = connector_] { connector->start(); });
}

/// As NestJS's client does it: what it sends to, then where replies come to.
void Client::connected() {
  const Topology& t = settings_.topology;
  setup_ = std::make_unique<Setup>(*connection_);
  setup_->open(requests);
  setup_->open(events);
  setup_->confirms(events);
  if (t.through_exchange()) {
    setup_->declare_exchange(requests, t.exchange, t.exchange_type, t.exchange_arguments);
  } else {
    if (t.declare_queue) setup_->declare_queue(requests, t.queue, t.durable, t.exclusive, t.auto_delete, t.queue_arguments);
    if (!t.exchange.empty() && t.routing_key) setup_->bind(requests, t.queue, t.exchange, *t.routing_key);
  }
  setup_->qos(requests, t.prefetch, t.global_prefetch);
  setup_->consume(requests, settings_.reply_queue, "", settings_.no_ack);
  setup_->run([this] { ready(); });
}

void Client::ready() {
  ready_ = true;
  if (held_) connection_->hold(true);
  sink_.on_connected(connection_->name());
}

void Client::forget_connection() {
  ready_ = false;
  connection_.reset();
  unconfirmed_.reset();
  cancelled_.clear();
  cancels_state_ = Cancels::unused;
  ferry_ = false;
  introductions_ = 0;
  timeout_text_.clear();
}

void Client::on_gone(Connection&, const Failure& why) {
  Failure failure = why;
  if (!ready_ && setup_ && !setup_->over()) failure.detail = setup_->what() + ": " + failure.detail;
  const auto last = connection_;   // it is what calls us
  forget_connection();
  sink_.on_disconnected(std::move(failure));
}

void Client::on_channel_closed(Connection& connection, std::uint16_t channel, const Failure& why) {
  if (channel != cancels) return connection.destroy(why);
  cancels_state_ = Cancels::refused;
  cancelled_.clear();
  sink_.on_error(Failure(why.code, "services cannot be told of cancelled calls: " + why.detail));
}

void Client::on_blocked(Connection&, bool blocked, std::string_view reason) {
  if (!ready_) return;
  if (blocked) sink_.on_status({Status::blocked, std::string(reason)});
  else sink_.on_status({Status::connected, connection_->name()});
}

void Client::hold(bool held) {
  held_ = held;
  if (ready_) connection_->hold(held);
}

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  if (!connection_) return environment_.loop->post(std::move(done));
  const auto connection = connection_;
  forget_connection();
  connection->close(limit, std::move(done));
}

spi::NativeHandle Client::native() noexcept {
  net::Socket* const socket = ready_ ? connection_->socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

// --- out ------------------------------------------------------------------------------------------------------------

bool Client::admit(Failure& failure) const {
  if (ready_) return true;
  failure = Failure(errc::not_connected, "not connected to " + access_->targets.front().name, Fate::not_sent);
  return false;
}

Publication Client::destination(const Pattern& pattern) const {
  Publication to;
  if (settings_.topology.through_exchange()) {
    to.exchange = settings_.topology.exchange;
    to.routing_key = pattern.route();
  } else {
    to.routing_key = settings_.topology.queue;
  }
  return to;
}

void Client::write_envelope(const spi::OutgoingMessage& message) {
  spi::RequestEnvelope envelope;
  envelope.pattern = message.pattern;
  envelope.has_payload = message.has_payload;
  envelope.id = message.id;
  head_.clear();
  tail_.clear();
  environment_.serializer->write_request(envelope, head_, tail_);
}

/// The message's own come before those of the options.
bool Client::read_headers(const spi::OutgoingMessage& message, Failure& failure) {
  const Headers& headers = *message.headers;
  properties_ = {};
  properties_.delivery_mode = static_cast<std::uint8_t>(settings_.persistent ? 2 : 1);
  mandatory_ = settings_.mandatory;
  if (headers.empty() && message.record == nullptr) {
    table_ = default_table_;
    return true;
  }
  Headers all = settings_.headers;
  if (message.record != nullptr && !read_record(*message.record, properties_, mandatory_, all, failure)) return false;
  for (const auto& [name, value] : headers) all.set(name, value);
  table_.clear();
  for (const auto& [name, value] : all) {
    if (name.size() > most_short_text) {
      failure = Failure(errc::bad_payload, "a header's name has 255 bytes at most: " + name.substr(0, 40) + "…", Fate::not_sent);
      return false;
    }
    append_header(table_, name, value);
  }
  return true;
}

/// What a ferry peer may be told: see extension.hpp.
void Client::introduce(std::chrono::steady_clock::time_point deadline) {
  if (!environment_.extensions) return;
  if (!ferry_) {
    if (introductions_++ < most_introductions) append_header(table_, extension::peer_header, "1");
    return;
  }
  const auto left = extension::TimeoutNotice::left(deadline, detail::coarse_now());
  // Within a 64th it is the same text as before: most callers wait equally long.
  if (timeout_.must_tell(left) || timeout_text_.empty()) timeout_text_ = extension::TimeoutNotice::text(left);
  append_header(table_, extension::timeout_header, timeout_text_);
}

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  if (!admit(failure) || !read_headers(message, failure)) return false;
  introduce(message.deadline);
  write_envelope(message);
  properties_.headers = table_;
  properties_.correlation_id = message.id;
  properties_.reply_to = settings_.reply_queue;
  Publication to = destination(*message.pattern);
  to.mandatory = true;   // a request that no queue takes ends at once
  to.properties = &properties_;
  return connection_->publish(requests, to, head_, message.has_payload ? *message.payload : none, tail_, failure);
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (!admit(failure) || !read_headers(message, failure)) return false;
  write_envelope(message);
  if (mandatory_) append_header(table_, number_header, std::to_string(unconfirmed_.next()));
  properties_.headers = table_;
  Publication to = destination(*message.pattern);
  to.mandatory = mandatory_;
  to.properties = &properties_;
  if (!connection_->publish(events, to, head_, message.has_payload ? *message.payload : none, tail_, failure)) return false;
  unconfirmed_.add({token});
  return true;
}

// --- cancels --------------------------------------------------------------------------------------------------------

void Client::cancel(std::string_view id) {
  if (!ready_ || !ferry_) return;
  if (cancels_state_ == Cancels::open) return send_cancel(std::string(id));
  if (cancels_state_ == Cancels::opening && cancelled_.size() < most_waiting_cancels) cancelled_.emplace_back(id);
}

/// Every ferry service of the broker hears what comes to this exchange.
void Client::met_ferry() {
  if (!environment_.extensions || std::exchange(ferry_, true) || cancels_state_ != Cancels::unused) return;
  cancels_state_ = Cancels::opening;
  cancels_setup_ = std::make_unique<Setup>(*connection_);
  cancels_setup_->open(cancels);
  cancels_setup_->declare_exchange(cancels, std::string(extension::cancel_pattern), "fanout", nlohmann::json::object());
  cancels_setup_->run([this] {
    cancels_state_ = Cancels::open;
    for (const std::string& id : std::exchange(cancelled_, {})) send_cancel(id);
  });
}

void Client::send_cancel(const std::string& id) {
  static const Pattern pattern(extension::cancel_pattern);
  spi::RequestEnvelope envelope;
  envelope.pattern = &pattern;
  envelope.has_payload = true;
  head_.clear();
  tail_.clear();
  environment_.serializer->write_request(envelope, head_, tail_);
  std::string payload = extension::raw_id(*environment_.serializer, id);
  Properties properties;
  Publication to;
  to.exchange = extension::cancel_pattern;
  to.properties = &properties;
  Failure ignored;
  connection_->publish(cancels, to, head_, payload, tail_, ignored);
}

// --- in -------------------------------------------------------------------------------------------------------------

void Client::on_method(Connection& connection, const Method& method) {
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD: return take_confirmation(method);
    case AMQP_BASIC_CANCEL_METHOD:
      return connection.destroy(Failure(RmqError::consumer_cancelled,
                                        "Connection closed: the queue of replies, " + settings_.reply_queue + ", was deleted"));
    default:
      if (method.channel == cancels) cancels_setup_->take(method);
      else setup_->take(method);
  }
}

void Client::take_confirmation(const Method& method) {
  if (method.channel != events) return;
  const bool refused = method.id == AMQP_BASIC_NACK_METHOD;
  // Both begin alike.
  const auto& ack = method.as<amqp_basic_ack_t>();
  const std::uint64_t tag = refused ? method.as<amqp_basic_nack_t>().delivery_tag : ack.delivery_tag;
  const bool multiple = (refused ? method.as<amqp_basic_nack_t>().multiple : ack.multiple) != 0;
  const auto connection = connection_;
  unconfirmed_.settle(tag, multiple, [&](Unconfirmed& event) {
    if (connection->gone()) return;
    if (refused) {
      event.why = Failure(RmqError::nacked, "the broker did not take the event over: its queue is full, or it failed");
    }
    const bool good = !refused && !event.returned;
    sink_.on_emitted(event.token, good ? nullptr : &event.why);
  });
}

void Client::on_content(Connection&, Content& content) {
  if (content.returned) return take_returned(content);
  if (content.channel == requests) take_reply(content);
}

void Client::take_reply(Content& content) {
  if (!settings_.no_ack) connection_->send(requests, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{content.delivery_tag, 0});
  const std::string_view id = content.properties.correlation_id.value_or(std::string_view());
  if (id == extension::hello_id) return met_ferry();
  spi::ReplyView reply;
  if (const char* why = environment_.serializer->read_reply(content.body, reply)) {
    return sink_.on_error(Failure(errc::bad_message, std::string("a reply that is no message: ") + why));
  }
  reply.id = id;   // what the body says does not count, as with NestJS
  sink_.on_reply(reply);
}

/// A request has ended with this; an event will once it is confirmed, which comes after.
void Client::take_returned(Content& content) {
  const Failure failure = unroutable(content.exchange, content.routing_key);
  if (content.channel == requests) {
    return sink_.on_request_failed(content.properties.correlation_id.value_or(std::string_view()), failure);
  }
  if (content.channel != events || !content.properties.headers) return;
  const auto text = find_header(*content.properties.headers, number_header);
  if (!text) return;
  Unconfirmed* const event = unconfirmed_.find(std::strtoull(text->c_str(), nullptr, 10));
  if (event == nullptr) return;
  event->returned = true;
  event->why = failure;
}

}  // namespace ferry::rmq
