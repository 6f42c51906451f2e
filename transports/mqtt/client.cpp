#include "transports/mqtt/client.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "transports/mqtt/error.hpp"
#include "transports/mqtt/properties.hpp"
#include "transports/mqtt/topic.hpp"

namespace ferry::mqtt {
namespace {

using namespace std::chrono_literals;

constexpr unsigned most_introductions = 8;   // a route of NestJS's services is not asked for ever

std::string own_inbox() {
  std::random_device random;
  constexpr char digits[] = "0123456789abcdef";
  std::string name = "ferry/reply/";
  for (int i = 0; i < 3; ++i) {
    unsigned value = random();
    for (int k = 0; k < 8; ++k, value >>= 4) name += digits[value & 15];
  }
  return name;
}

std::chrono::milliseconds time_left(const spi::OutgoingMessage& message) {
  return extension::TimeoutNotice::left(message.deadline, detail::coarse_now());
}

}  // namespace

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : environment_(std::move(environment)),
      sink_(sink),
      settings_(client_settings(environment_)),
      access_(std::make_shared<const Access>(settings_.access)),
      session_(*environment_.loop, access_, settings_.max_inflight, *this),
      inbox_(own_inbox()) {}

Client::~Client() {
  if (connector_) connector_->cancel();
}

// --- connections ----------------------------------------------------------------------------------------------------

void Client::connect() {
  if (connector_ || session_.connected()) return;
  connector_ = std::make_shared<Connector>(*environment_.loop, access_, attempts_++,
                                           [this](const Failure* failure, std::shared_ptr<Connection> connection) {
                                             connector_.reset();
                                             if (failure != nullptr) return sink_.on_disconnected(*failure);
                                             connected(std::move(connection));
                                           });
  environment_.loop->post([connector = connector_] { connector->start(); });
}

void Client::connected(std::shared_ptr<Connection> connection) {
  session_.begin(std::move(connection));
  if (access_->version() != Version::v5 || !environment_.extensions) return ready();
  session_.subscribe({{inbox_, {}}}, {inbox_subscribed, 0});
}

void Client::ready() {
  open_ = true;
  sink_.on_connected(session_.connection()->name());
}

void Client::on_lost(const Failure& why, const std::vector<Ticket>& unsent) {
  const std::string unsent_detail = "it waited for its turn (maxInflight): " + why.detail;
  session_.forget(requested);   // their callers are told that they may have been lost, and may ask again
  forget_all();
  for (const Ticket& ticket : unsent) {
    if (ticket.kind != emitted) continue;
    const Failure failure(errc::connection_lost, unsent_detail, Fate::not_sent);
    sink_.on_emitted(ticket.token, &failure);
  }
  sink_.on_disconnected(why);
}

void Client::forget_all() {
  open_ = false;
  ferry_ = false;
  inbox_open_ = false;
  requests_.clear();
  topics_.clear();
  waiting_.clear();
  waiting_bytes_ = 0;
  written_.clear();
}

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  forget_all();
  session_.close(limit, std::move(done));
}

spi::NativeHandle Client::native() noexcept {
  net::Socket* socket = open_ ? session_.connection()->socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

// --- out ------------------------------------------------------------------------------------------------------------

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  bool fresh = false;
  if (!open_ || !is_topic(message.pattern->route())) {
    Outgoing ignored;
    return prepare(message, nullptr, ignored, failure);
  }
  ReplyTopic& topic = topics_.get(message.pattern->route(), fresh);
  if (fresh) session_.subscribe({{topic.filter(), {}}}, {subscribed, topic.number});
  Outgoing out;
  if (!prepare(message, &topic, out, failure)) return false;
  const auto [request, made] = requests_.try_emplace(std::pmr::string(message.id, &memory_));
  request->second = {&topic, ++last_number_};
  if (made) topics_.use(topic);
  if (topic.open) {
    session_.publish(out, {requested, request->second.number});
    return true;
  }
  Waiting waiting{std::string(message.id), out.qos, out.retain, out.duplicate, properties_, head_, std::move(*out.payload), tail_};
  out.payload->clear();
  waiting_bytes_ += waiting.payload.size();
  waiting_[topic.number].push_back(std::move(waiting));
  return true;
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  Outgoing out;
  if (!prepare(message, nullptr, out, failure)) return false;
  session_.publish(out, {emitted, token});
  if (out.qos == 0) written_.push_back({session_.connection()->out().appended(), token});
  return true;
}

/// QoS 0: nobody confirms it; the event is done when the system has its bytes.
void Client::on_flushed() {
  const std::uint64_t sent = session_.connection()->out().sent();
  while (!written_.empty() && written_.front().at <= sent) {
    const spi::EmitToken token = written_.front().token;
    written_.pop_front();
    sink_.on_emitted(token, nullptr);
  }
}

bool Client::prepare(const spi::OutgoingMessage& message, ReplyTopic* topic, Outgoing& out, Failure& failure) {
  if (!open_) {
    failure = Failure(errc::not_connected, "not connected to " + access_->url, Fate::not_sent);
    return false;
  }
  const std::string& route = message.pattern->route();
  if (!is_topic(route)) {
    failure = Failure(errc::bad_pattern, "\"" + route + "\" cannot be an MQTT topic: a topic is not empty, has no + and no #, and is "
                                         "no longer than 65535 bytes", Fate::not_sent);
    return false;
  }
  const bool request = !message.id.empty();
  if (request && route.size() > longest_text - 6) {
    failure = Failure(errc::bad_pattern, "the topic leaves no room for /reply", Fate::not_sent);
    return false;
  }
  Record record;
  record.qos = settings_.qos;
  if (message.record != nullptr && !read_record(*message.record, access_->version(), record, failure)) return false;
  properties_.clear();
  properties_.append(record.properties);
  if (access_->version() == Version::v5) {
    for (const auto& [name, value] : *message.headers) {
      if (is_text(name) && is_text(value)) continue;
      failure = Failure(errc::bad_payload, "the header \"" + name + "\" is no text that MQTT can carry", Fate::not_sent);
      return false;
    }
  }
  bool introduce = false;
  const bool tell = request && tells(message, topic, introduce);
  set_headers(message, record.user_properties, introduce, tell);
  if (request && tell && access_->version() == Version::v5) set_deadline(message, record.qos, record.properties);
  out = {route, properties_, record.qos, record.retain, record.duplicate, head_,
         message.has_payload ? message.payload : &none_, tail_};
  none_.clear();
  if (!session_.admits(out, failure)) return false;
  if (waiting_bytes_ != 0 && !session_.connection()->has_room(waiting_bytes_ + out.body_size())) {
    failure = Failure(errc::overloaded, std::to_string(waiting_bytes_) + " bytes wait for their reply topics (maxSendBufferSize)",
                      Fate::not_sent);
    return false;
  }
  return true;
}

/// What a ferry peer may be told: see extension.hpp. True: how long the caller waits.
bool Client::tells(const spi::OutgoingMessage& message, ReplyTopic* topic, bool& introduce) {
  if (!environment_.extensions || topic == nullptr) return false;
  if (!ferry_) {
    introduce = topic->introductions < most_introductions;
    if (introduce) ++topic->introductions;
    return false;
  }
  // Within a 64th it is the same text as before: most callers wait equally long.
  const auto left = time_left(message);
  if (timeout_.must_tell(left) || timeout_text_.empty()) timeout_text_ = extension::TimeoutNotice::text(left);
  return true;
}

/// With MQTT 5 headers are user properties, with 3.1.1 the packet's metadata. Fills `head_` and `tail_`.
void Client::set_headers(const spi::OutgoingMessage& message, const Headers& record, bool introduce, bool tell) {
  const bool version_5 = access_->version() == Version::v5;
  const bool plain = message.headers->empty() && record.empty() && settings_.user_properties.empty();
  spi::RequestEnvelope envelope;
  envelope.pattern = message.pattern;
  envelope.has_payload = message.has_payload;
  envelope.id = message.id;
  static const Headers no_headers;
  envelope.headers = &no_headers;
  if (!plain || (!version_5 && (introduce || tell))) {
    headers_ = settings_.user_properties;
    for (const auto& [name, value] : record) headers_.set(name, value);
    for (const auto& [name, value] : *message.headers) headers_.set(name, value);
  }
  if (version_5) {
    if (!plain) {
      for (const auto& [name, value] : headers_) append_user_property(properties_, name, value);
    }
    if (introduce) append_user_property(properties_, extension::peer_header, "1");
    if (tell) append_user_property(properties_, extension::timeout_header, timeout_text_);
  } else if (!plain || introduce || tell) {
    if (introduce) headers_.set(extension::peer_header, "1");
    if (tell) headers_.set(extension::timeout_header, timeout_text_);
    envelope.headers = &headers_;
  }
  head_.clear();
  tail_.clear();
  environment_.serializer->write_request(envelope, head_, tail_);
}

/// A ferry service answers to an inbox of our own. And a server that keeps the request for a service that is away need not do
/// so for longer than the caller waits.
void Client::set_deadline(const spi::OutgoingMessage& message, std::uint8_t qos, std::string_view record) {
  Property given;
  if (inbox_open_ && !find_property(record, PropertyId::response_topic, given) &&
      !find_property(record, PropertyId::correlation_data, given)) {
    append_text(properties_, PropertyId::response_topic, inbox_);
    append_text(properties_, PropertyId::correlation_data, message.id);
  }
  const auto left = time_left(message);
  if (qos == 0 || left == extension::TimeoutNotice::none || find_property(record, PropertyId::message_expiry, given)) return;
  append_number(properties_, PropertyId::message_expiry,
                static_cast<std::uint32_t>(std::min<std::int64_t>(left / 1s + 1, 4'294'967'295)));
}

void Client::cancel(std::string_view id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  ReplyTopic& topic = *found->second.topic;
  const auto waiting = waiting_.find(topic.number);
  bool sent = true;
  if (waiting != waiting_.end()) {
    const auto at = std::find_if(waiting->second.begin(), waiting->second.end(), [&](const Waiting& w) { return w.id == id; });
    if (at != waiting->second.end()) {
      sent = false;
      waiting_bytes_ -= at->payload.size();
      waiting->second.erase(at);
    }
  }
  if (sent && ferry_ && open_) {
    static const Pattern pattern(extension::cancel_pattern);
    static const Headers no_headers;
    std::string payload = extension::raw_id(*environment_.serializer, id);
    spi::RequestEnvelope envelope;
    envelope.pattern = &pattern;
    envelope.has_payload = true;
    envelope.headers = &no_headers;
    head_.clear();
    tail_.clear();
    environment_.serializer->write_request(envelope, head_, tail_);
    const Outgoing out{extension::cancel_pattern, {}, 0, false, false, head_, &payload, tail_};
    Failure ignored;
    if (session_.admits(out, ignored)) session_.publish(out, {unheeded, 0});
  }
  finished(found);
}

// --- reply topics ---------------------------------------------------------------------------------------------------

void Client::on_subscribed(const Ticket& ticket, const Codes& answer) {
  const auto code = static_cast<std::uint8_t>(answer.codes.empty() ? '\x80' : answer.codes.front());
  if (ticket.kind == inbox_subscribed) {
    inbox_open_ = code < 0x80;   // an access control list may not allow it: then replies go where NestJS's go
    return ready();
  }
  if (ticket.kind != subscribed) return;
  ReplyTopic* const topic = topics_.find(ticket.token);
  if (topic == nullptr) return;   // it was given up meanwhile
  if (code >= 0x80) return on_topic_refused(*topic, code, answer.reason);
  topic->open = true;
  send_waiting(*topic);
  evict();
}

void Client::send_waiting(ReplyTopic& topic) {
  const auto found = waiting_.find(topic.number);
  if (found == waiting_.end()) return;
  std::vector<Waiting> all = std::move(found->second);
  waiting_.erase(found);
  for (Waiting& each : all) {
    waiting_bytes_ -= each.payload.size();
    const auto request = requests_.find(std::string_view(each.id));
    if (request == requests_.end()) continue;
    session_.publish({topic.route, each.properties, each.qos, each.retain, each.duplicate, each.head, &each.payload, each.tail},
                     {requested, request->second.number});
  }
}

void Client::on_topic_refused(ReplyTopic& topic, std::uint8_t code, std::string_view words) {
  const MqttError error = access_->version() == Version::v5 ? static_cast<MqttError>(code) : MqttError::subscription_refused;
  const Failure failure = refusal("the reply topic " + topic.filter() + " cannot be subscribed to", error, words);
  std::vector<Waiting> all;
  if (const auto found = waiting_.find(topic.number); found != waiting_.end()) {
    all = std::move(found->second);
    waiting_.erase(found);
  }
  for (const Waiting& each : all) waiting_bytes_ -= each.payload.size();
  // The next request asks anew. Nobody else points to it: whoever does has waited.
  for (const Waiting& each : all) {
    const auto request = requests_.find(std::string_view(each.id));
    if (request == requests_.end()) continue;
    requests_.erase(request);
    topics_.release(topic);
  }
  topics_.erase(topic);
  for (const Waiting& each : all) sink_.on_request_failed(each.id, failure);
}

void Client::finished(Requests::iterator request) {
  ReplyTopic& topic = *request->second.topic;
  requests_.erase(request);
  topics_.release(topic);
  if (topic.busy == 0) evict();
}

void Client::evict() {
  const std::vector<std::string> filters = topics_.evict(settings_.max_reply_subscriptions);
  if (!filters.empty() && session_.connected()) session_.unsubscribe(filters, {unheeded, 0});
}

// --- in -------------------------------------------------------------------------------------------------------------

void Client::on_published(const Ticket& ticket, const Failure* failure) {
  if (ticket.kind == emitted) {
    const bool unheard = failure != nullptr && failure->code == errc::no_handler;   // an event nobody hears is no error
    return sink_.on_emitted(ticket.token, unheard ? nullptr : failure);
  }
  if (ticket.kind == requested && failure != nullptr) refuse(ticket.token, *failure);
}

void Client::refuse(std::uint64_t number, const Failure& failure) {
  const auto found = std::find_if(requests_.begin(), requests_.end(),
                                  [&](const auto& entry) { return entry.second.number == number; });
  if (found == requests_.end()) return;   // it has ended already
  const std::string id(found->first);
  found->second.topic->introductions = 0;   // nobody heard them
  finished(found);
  Failure why = failure;
  if (why.code == errc::no_handler) {
    why.remote_body = "\"There is no matching message handler defined in the remote service.\"";
  }
  sink_.on_request_failed(id, why);
}

void Client::on_message(const Publish& message, const ArrivalPtr& arrival) {
  take_reply(message);
  if (arrival && session_.connected()) session_.settle(*arrival);
}

void Client::take_reply(const Publish& message) {
  spi::ReplyView reply;
  if (const char* why = environment_.serializer->read_reply(message.payload, reply)) {
    return sink_.on_error(Failure(errc::bad_message, "a message on the topic " + std::string(message.topic) + " is no reply: " + why));
  }
  if (environment_.extensions && reply.id == extension::hello_id) {
    ferry_ = true;
    return;
  }
  if (reply.last || reply.failed) {
    const auto found = requests_.find(reply.id);
    if (found != requests_.end()) finished(found);
  }
  sink_.on_reply(reply);   // core knows which ids are its own: others use this topic as well
}

}  // namespace ferry::mqtt
