#include "transports/redis/client.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/extension.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"
#include "transports/redis/pubsub_client.hpp"
#include "transports/redis/stream_client.hpp"

namespace ferry::redis {

using namespace std::chrono_literals;

std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment, spi::ClientSink& sink) {
  ClientSettings settings = client_settings(environment);
  if (settings.mode == Mode::streams) {
    return std::make_unique<StreamClient>(std::move(environment), sink, std::move(settings));
  }
  return std::make_unique<PubSubClient>(std::move(environment), sink, std::move(settings));
}

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink, ClientSettings settings)
    : environment_(std::move(environment)),
      sink_(sink),
      settings_(std::move(settings)),
      access_(std::make_shared<const Access>(settings_.access)) {}

Client::~Client() { drop_connections(); }

// --- connections ----------------------------------------------------------------------------------------------------

void Client::connect() {
  if (connector_ || !connections_.empty()) return;
  connector_ = std::make_shared<Connector>(
      *environment_.loop, access_, 2, attempts_++, [this](const Failure* failure, Connections connections) {
        connector_.reset();
        if (failure != nullptr) return sink_.on_disconnected(*failure);
        connections_ = std::move(connections);
        for (const auto& connection : connections_) {
          connection->set_user(this);
          connection->watch(settings_.access.ping_interval, true);
        }
        subscriber().lead(connections_.front());
        subscriber().hold(held_);
        on_connections();
      });
  environment_.loop->post([connector = connector_] { connector->start(); });
}

void Client::ready() {
  open_ = true;
  sink_.on_connected(commands().name());
}

void Client::on_gone(Connection&, const Failure& why) { lose(why); }

void Client::lose(const Failure& why) {
  if (connections_.empty()) return;
  const Failure failure = why;   // a connection's own goes with it
  open_ = false;
  drop_connections();
  on_lost();
  sink_.on_disconnected(failure);
}

void Client::drop_connections() {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  for (const auto& connection : std::exchange(connections_, {})) connection->drop();
}

void Client::hold(bool held) {
  held_ = held;
  if (!connections_.empty()) subscriber().hold(held);
}

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  open_ = false;
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  if (connections_.empty()) return environment_.loop->post(std::move(done));
  subscriber().drop();
  const std::shared_ptr<Connection> last = connections_.front();
  connections_.clear();
  on_lost();
  last->set_user(nullptr);
  last->close(limit, std::move(done));
}

spi::NativeHandle Client::native() noexcept {
  net::Socket* socket = open_ ? commands().socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

// --- messages -------------------------------------------------------------------------------------------------------

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  return admit(message, failure) && send_request(message, failure);
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (!admit(message, failure)) return false;
  send_event(message, token);
  return true;
}

bool Client::admit(const spi::OutgoingMessage& message, Failure& failure) const {
  if (!open_) {
    failure = Failure(errc::not_connected, "not connected to " + access_->url, Fate::not_sent);
    return false;
  }
  const std::size_t size = message.has_payload ? message.payload->size() : 0;
  if (size > access_->max_message_bytes) {
    failure = Failure(RedisError::too_large, std::to_string(size) + " bytes are more than maxMessageSize (" +
                                                 std::to_string(access_->max_message_bytes) + ")", Fate::not_sent);
    return false;
  }
  return has_room(size, failure);
}

bool Client::has_room(std::size_t size, Failure& failure) const {
  if (connections_.front()->has_room(size)) return true;
  failure = Failure(errc::overloaded,
                    access_->url + " does not read fast enough: " + std::to_string(connections_.front()->out().bytes()) +
                        " bytes are queued for it, and " + std::to_string(size) + " more exceed maxSendBufferSize (" +
                        std::to_string(access_->max_send_bytes) + ")",
                    Fate::not_sent);
  return false;
}

void Client::write_envelope(const spi::OutgoingMessage& message, const Headers& headers) {
  spi::RequestEnvelope envelope;
  envelope.pattern = message.pattern;
  envelope.has_payload = message.has_payload;
  envelope.headers = &headers;
  envelope.id = message.id;
  head_.clear();
  tail_.clear();
  serializer().write_request(envelope, head_, tail_);
}

void Client::append(std::string_view command, std::string& payload) {
  tail_.append("\r\n");
  commands().out().append(command, head_, payload, tail_);
}

void Client::send_cancel(std::string_view id) {
  static const Pattern pattern(extension::cancel_pattern);
  static const Headers no_headers;
  std::string payload = extension::raw_id(serializer(), id);
  spi::OutgoingMessage message;
  message.pattern = &pattern;
  message.has_payload = true;
  message.headers = &no_headers;
  write_envelope(message, no_headers);
  Failure ignored;
  if (!has_room(payload.size(), ignored)) return;
  command_.clear();
  append_publish(command_, extension::cancel_pattern, "", envelope_size(payload));
  append(command_, payload);
  commands().expect({unheeded, 0});
}

void Client::on_reply(Connection&, const Expected& expected, const Value& reply) {
  if (expected.kind != emitted) return;
  if (!reply.is(Value::Type::error)) return sink_.on_emitted(expected.token, nullptr);
  const Failure failure = refusal("the event was refused", reply.text);
  sink_.on_emitted(expected.token, &failure);
}

}  // namespace ferry::redis
