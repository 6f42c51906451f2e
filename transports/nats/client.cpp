#include "transports/nats/client.hpp"

#include <algorithm>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "transports/common/extension.hpp"
#include "transports/nats/error.hpp"
#include "transports/nats/subject.hpp"

namespace ferry::nats {
namespace {

using namespace std::chrono_literals;
using Slot = Inbox::Slot;

Failure not_connected(const LinkSettings& settings) {
  return Failure(errc::not_connected, "not connected to " + without_secrets(settings.servers.front()), Fate::not_sent);
}

std::optional<std::chrono::milliseconds> time_left(std::chrono::steady_clock::time_point deadline) {
  const auto left = extension::TimeoutNotice::left(deadline, detail::coarse_now());
  return left == extension::TimeoutNotice::none ? std::nullopt : std::optional(left);
}

}  // namespace

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : environment_(std::move(environment)), sink_(sink), settings_(client_settings(environment_)) {}

Client::~Client() {
  if (connector_) connector_->cancel();
  end_setup();
  inbox_.reset();
  if (connection_) connection_->end();
}

// --- connecting -----------------------------------------------------------------------------------------------------

void Client::connect() {
  if (connection_ || connector_) return;
  connector_ = std::make_shared<Connector>(*environment_.loop, settings_.link, discovered_);
  connector_->start([this](const Failure* failure, const std::shared_ptr<Connection>& connection, natsConnection* handle) {
    connector_.reset();
    if (failure != nullptr) return sink_.on_disconnected(*failure);
    connected(connection, handle);
  });
}

void Client::connected(const std::shared_ptr<Connection>& connection, natsConnection* handle) {
  connection_ = connection;
  connection_->open(handle, *this);
  discovered_ = connection_->known_servers();
  inbox_ = std::make_unique<Inbox>(connection_, settings_.link.inbox_prefix);
  message_id_prefix_ = std::string(own_message_id) + inbox_->prefix();
  peer_is_ferry_ = false;
  if (!settings_.stream) return ready();
  setup_ = std::make_shared<StreamSetup>(*connection_, *inbox_, *settings_.stream, settings_.link.timeout);
  setup_->run([this](const Failure* failure) {
    setup_.reset();
    if (failure == nullptr) return ready();
    const Failure why = *failure;
    on_gone(why);
  });
}

void Client::ready() {
  ready_ = true;
  if (held_) connection_->hold(true);
  sink_.on_connected(connection_->url());
}

void Client::on_gone(const Failure& why) {
  ready_ = false;
  discovered_ = connection_->known_servers();
  emitted_.clear();
  end_setup();
  inbox_.reset();
  std::exchange(connection_, nullptr)->end();
  sink_.on_disconnected(why);
}

void Client::end_setup() {
  if (setup_) std::exchange(setup_, nullptr)->cancel();
}

void Client::hold(bool held) {
  held_ = held;
  if (ready_) connection_->hold(held);
}

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  ready_ = false;
  if (connector_) return std::exchange(connector_, nullptr)->end(limit, std::move(done));
  if (!connection_) return environment_.loop->post(std::move(done));
  end_setup();
  inbox_.reset();
  const auto connection = std::exchange(connection_, nullptr);
  connection->end_gently(limit, std::move(done));
}

spi::NativeHandle Client::native() noexcept {
  return connection_ ? spi::NativeHandle::of(connection_->handle_place()) : spi::NativeHandle{};
}

// --- out ------------------------------------------------------------------------------------------------------------

bool Client::prepare(const spi::OutgoingMessage& message, Failure& failure) {
  if (!ready_) {
    failure = not_connected(settings_.link);
    return false;
  }
  if (!is_publishable(message.pattern->route())) {
    failure = bad_subject(message.pattern->route());
    return false;
  }
  if (!message.headers->empty() && !are_sendable(*message.headers, failure)) return false;
  spi::RequestEnvelope envelope;
  envelope.pattern = message.pattern;
  envelope.has_payload = message.has_payload;
  envelope.id = message.id;
  body_.clear();
  tail_.clear();
  environment_.serializer->write_request(envelope, body_, tail_);
  if (message.has_payload) body_ += *message.payload;
  body_ += tail_;
  return true;
}

/// The message's own come before those of the options.
const Headers& Client::outgoing_headers(const Headers& headers) {
  if (settings_.headers.empty()) return headers;
  headers_ = headers;
  for (const auto& [name, value] : settings_.headers) {
    if (!headers_.contains(name)) headers_.set(name, value);
  }
  return headers_;
}

bool Client::send(const std::string& subject, const char* reply, const Headers& headers, Failure& failure) {
  Outgoing out;
  out.subject = subject.c_str();
  out.reply = reply;
  out.body = body_;
  out.headers = &headers;
  return connection_->publish(out, failure);
}

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  if (!prepare(message, failure)) return false;
  Slot* const slot = inbox_->take(failure);
  if (slot == nullptr) return false;
  slot->use = Slot::Use::request;
  slot->id = message.id;
  slot->route = message.pattern->route();
  subject_ = slot->subject();
  if (environment_.extensions) ReplyNote{!peer_is_ferry_, time_left(message.deadline)}.write(subject_);
  else subject_ += '0';
  if (send(message.pattern->route(), subject_.c_str(), outgoing_headers(*message.headers), failure)) return true;
  inbox_->release(*slot);
  return false;
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (!prepare(message, failure)) return false;
  if (settings_.stream) return emit_confirmed(message, token, failure);
  if (!send(message.pattern->route(), nullptr, outgoing_headers(*message.headers), failure)) return false;
  emitted_.push_back({connection_->appended(), token});
  return true;
}

bool Client::emit_confirmed(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  Slot* const slot = inbox_->take(failure);
  if (slot == nullptr) return false;
  slot->use = Slot::Use::event;
  slot->token = token;
  const Headers& given = outgoing_headers(*message.headers);
  if (&given != &headers_) headers_ = given;
  // The stream forgets a second message with the same id. Whoever sends an event again gives it one of his own.
  if (!headers_.contains(message_id_header)) headers_.set(message_id_header, message_id_prefix_ + std::to_string(token));
  const std::string reply = slot->subject() + "0";
  if (send(settings_.stream->subject_prefix + message.pattern->route(), reply.c_str(), headers_, failure)) return true;
  inbox_->release(*slot);
  return false;
}

void Client::on_output() {
  const std::uint64_t written = connection_->written();
  while (!emitted_.empty() && emitted_.front().end <= written) {
    const spi::EmitToken token = emitted_.front().token;
    emitted_.pop_front();
    sink_.on_emitted(token, nullptr);
    if (!connection_) return;
  }
}

void Client::cancel(std::string_view id) {
  if (!ready_) return;
  Slot* const slot = inbox_->find(id);
  if (slot != nullptr) inbox_->retire(*slot);
  if (!environment_.extensions || !peer_is_ferry_) return;
  static const Pattern pattern(extension::cancel_pattern);
  spi::RequestEnvelope envelope;
  envelope.pattern = &pattern;
  envelope.has_payload = true;
  body_.clear();
  tail_.clear();
  environment_.serializer->write_request(envelope, body_, tail_);
  body_ += extension::raw_id(*environment_.serializer, id);
  body_ += tail_;
  Failure ignored;
  send(pattern.route(), nullptr, Headers(), ignored);
}

// --- in -------------------------------------------------------------------------------------------------------------

void Client::on_input() {
  if (!inbox_) return;
  inbox_->drain([this](Slot& slot, natsMsg* message) { take(slot, message); });
}

void Client::take(Slot& slot, natsMsg* message) {
  switch (slot.use) {
    case Slot::Use::request: return message == nullptr ? refuse(slot) : take_reply(slot, message);
    case Slot::Use::event: return take_confirmation(slot, message);
    case Slot::Use::call: {
      const auto answered = std::move(slot.answered);
      inbox_->release(slot);
      return answered(message);
    }
  }
}

void Client::take_reply(Slot& slot, natsMsg* message) {
  const std::string_view body = body_of(message);
  if (body.empty()) return refuse(slot);
  spi::ReplyView reply;
  if (const char* why = environment_.serializer->read_reply(body, reply)) {
    return sink_.on_error(Failure(errc::bad_message, std::string("a reply that is no message: ") + why));
  }
  if (reply.id == extension::hello_id) {
    peer_is_ferry_ = peer_is_ferry_ || environment_.extensions;
    return;
  }
  // Another id: the late answer to a request that used this slot before, by a second service perhaps.
  if (!reply.id.empty() && reply.id != slot.id) return;
  reply_id_ = slot.id;   // the slot may be free, and used again, before the sink has returned
  reply.id = reply_id_;
  if (reply.last || reply.failed) inbox_->release(slot);
  sink_.on_reply(reply);
}

void Client::refuse(Slot& slot) {
  const std::string id = slot.id;
  const Failure failure = no_responders(slot.route);
  inbox_->release(slot);
  sink_.on_request_failed(id, failure);
}

void Client::take_confirmation(Slot& slot, natsMsg* message) {
  const spi::EmitToken token = slot.token;
  inbox_->release(slot);
  const auto failure = confirmation_failure(message, *settings_.stream);
  sink_.on_emitted(token, failure ? &*failure : nullptr);
}

}  // namespace ferry::nats
