#include "transports/mqtt/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "transports/mqtt/error.hpp"

namespace ferry::mqtt {

using namespace std::chrono_literals;

Connection::Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, std::unique_ptr<net::Wire> wire,
                       std::string name)
    : Link(loop, std::move(wire), {access->max_send_bytes, access->high_water_bytes}, std::move(name)),
      access_(std::move(access)) {}

Connection::~Connection() = default;

std::size_t Connection::max_packet_bytes() const noexcept {
  return std::min<std::size_t>(access_->max_message_bytes, grant_.maximum_packet_size);
}

// --- the start ------------------------------------------------------------------------------------------------------

void Connection::on_open() {
  std::string packet;
  append_connect(packet, access_->connect);
  out().append(packet);
  appended();
}

void Connection::take_connack(const Packet& packet) {
  auto grant = packet.type == PacketType::connack ? read_connack(packet, access_->version()) : std::nullopt;
  if (!grant) return broken("its first packet is no CONNACK");
  if (grant->code != 0) {
    std::string words = grant->reason;
    if (!grant->server_reference.empty()) words.append(words.empty() ? "" : ", ").append("use ").append(grant->server_reference);
    return destroy(refusal("the server refused the connection", connack_error(access_->version(), grant->code), words));
  }
  grant_ = std::move(*grant);
  accepted_ = true;
  hold(true);   // what a session has kept comes at once: until somebody is there
  started();
}

void Connection::begin(ConnectionUser& user) {
  user_ = &user;
  hold(false);
  tick_ = grant_.keep_alive.value_or(access_->connect.keep_alive) * 750ms;
  if (tick_ > 0ms) wait();
}

// --- packets --------------------------------------------------------------------------------------------------------

std::size_t Connection::take(std::string_view unread, std::size_t& expected) {
  Packet packet;
  std::size_t size = 0;
  const Framing framing = next_packet(unread, packet, size);
  if (framing == Framing::broken) return broken("bytes that are no packet"), 0;
  if (size > access_->max_message_bytes) {
    destroy(Failure(MqttError::packet_too_large, "Connection closed: a packet of " + std::to_string(size) +
                                                     " bytes is longer than maxMessageSize (" +
                                                     std::to_string(access_->max_message_bytes) + ")"));
    return 0;
  }
  expected = size;
  if (framing == Framing::partial) return 0;
  heard_ = true;
  if (accepted_) take(packet);
  else take_connack(packet);
  return gone() ? 0 : size;
}

void Connection::take(const Packet& packet) {
  switch (packet.type) {
    case PacketType::publish: return take_publish(packet);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp: {
      const auto answer = read_acknowledgement(packet, access_->version());
      if (!answer) return broken("an acknowledgement that cannot be read");
      if (user_ != nullptr) user_->on_acknowledgement(packet.type, *answer);
      return;
    }
    case PacketType::suback:
    case PacketType::unsuback: {
      const auto answer = read_codes(packet, access_->version());
      if (!answer) return broken("a SUBACK that cannot be read");
      if (user_ != nullptr) user_->on_codes(packet.type, *answer);
      return;
    }
    case PacketType::pingresp:
      waiting_ = false;
      return;
    case PacketType::disconnect:
      if (access_->version() == Version::v5) return take_disconnect(packet);
      [[fallthrough]];
    default: broken("a packet that no server sends");
  }
}

void Connection::take_publish(const Packet& packet) {
  const auto message = read_publish(packet, access_->version());
  if (!message) return broken("a PUBLISH that cannot be read");
  if (user_ != nullptr) user_->on_publish(*message);
}

void Connection::take_disconnect(const Packet& packet) {
  const auto farewell = read_disconnect(packet);
  if (!farewell) return broken("a DISCONNECT that cannot be read");
  std::string words(farewell->reason);
  if (!farewell->server_reference.empty()) words.append(words.empty() ? "" : ", ").append("use ").append(farewell->server_reference);
  Failure why = refusal("Connection closed", static_cast<MqttError>(farewell->code), words, Fate::unknown);
  if (farewell->code == 0) why = Failure(errc::connection_lost, "Connection closed: the server ended it");
  destroy(std::move(why));
}

void Connection::broken(std::string_view what) {
  destroy(Failure(MqttError::not_mqtt, "Connection closed: " + name() + " does not speak MQTT " +
                                           (access_->version() == Version::v5 ? "5" : "3.1.1") + ": " + std::string(what)));
}

// --- life -----------------------------------------------------------------------------------------------------------

/// Every three quarters of the keep-alive time. Silence of ours (a hold) does not count, and is no reason not to ping: the
/// server counts what it hears.
void Connection::tick() {
  if (waiting_ && !heard_ && !held()) {
    return destroy(Failure(MqttError::silent, "Connection closed: " + name() + " was silent for " +
                                                  std::to_string(tick_.count()) + " ms (keepalive)"));
  }
  std::string ping;
  append_pingreq(ping);
  out().append(ping);
  appended();
  waiting_ = true;
  wait();
}

void Connection::wait() {
  heard_ = held();   // a hold that ends until the next tick leaves too little time
  after(tick_, [this] {
    if (!ending()) tick();
  });
}

void Connection::close(std::chrono::milliseconds limit, std::function<void()> done) {
  user_ = nullptr;
  if (!gone()) {
    std::string farewell;
    append_disconnect(farewell);
    out().append(farewell);
  }
  end_within(limit, std::move(done));
  if (!gone()) finish();
}

void Connection::on_relieved() {
  if (user_ != nullptr) user_->on_relieved();
}

void Connection::on_flushed() {
  if (user_ != nullptr) user_->on_flushed();
}

void Connection::on_gone(const Failure& why) {
  if (user_ != nullptr) std::exchange(user_, nullptr)->on_gone(why);
}

}  // namespace ferry::mqtt
