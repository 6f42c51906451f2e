#include "transports/mqtt/session.hpp"

#include <algorithm>
#include <utility>

#include "transports/mqtt/error.hpp"

namespace ferry::mqtt {
namespace {

using namespace std::chrono_literals;

/// In a PUBLISH of QoS 1 or 2 the id follows the topic.
std::size_t id_position(std::string_view packet, std::size_t topic_size) {
  std::size_t at = 1;
  while ((static_cast<std::uint8_t>(packet[at]) & 0x80U) != 0) ++at;
  return at + 1 + 2 + topic_size;
}

void put_id(std::string& packet, std::size_t at, std::uint16_t id) {
  packet[at] = static_cast<char>(id >> 8U);
  packet[at + 1] = static_cast<char>(id & 0xffU);
}

}  // namespace

Session::Session(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t max_inflight, SessionUser& user)
    : loop_(loop), access_(std::move(access)), max_inflight_(max_inflight), user_(user) {}

Session::~Session() { drop(); }

// --- connections ----------------------------------------------------------------------------------------------------

void Session::begin(std::shared_ptr<Connection> connection) {
  connection_ = std::move(connection);
  const Grant& grant = connection_->grant();
  inflow_.connected(grant.session_present);
  outflow_.set_limit(std::min<std::size_t>(max_inflight_, grant.receive_maximum));
  if (grant.session_present) {
    outflow_.resume([this](const Outflow::Entry& entry) {
      if (entry.state == Outflow::State::published) write(entry.packet);
      else write_acknowledgement(PacketType::pubrel, entry.id);
    });
  } else {
    outflow_.drop_all([](const Outflow::Entry&) {});
  }
  connection_->begin(*this);
  apply_hold();
}

void Session::drop() {
  waiting_.clear();
  waiting_bytes_ = 0;
  if (connection_) std::exchange(connection_, nullptr)->drop();
}

void Session::on_gone(const Failure& why) {
  connection_.reset();
  inflow_.disconnected();
  if (!access_->session_lasts) {
    outflow_.drop_all([](const Outflow::Entry&) {});
    inflow_.connected(false);
  }
  std::vector<Ticket> unsent;
  for (const Waiting& each : waiting_) unsent.push_back(each.ticket);
  waiting_.clear();
  waiting_bytes_ = 0;
  if (!closed_) return user_.on_lost(why, unsent);
  timer_.reset();
  loop_.post(std::exchange(closed_, nullptr));
}

void Session::hold(bool held) {
  held_ = held;
  if (connected()) apply_hold();
}

/// More than was agreed on comes from servers of 3.1.1 only, which know no such agreement. While answers of the server are
/// to come, they must get through.
void Session::apply_hold() {
  const bool full = inflow_.unacknowledged() > access_->receive_maximum && outflow_.messages() == 0 && waiting_.empty();
  connection_->hold((held_ || full) && !closed_);
}

void Session::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (!connected()) return loop_.post(std::move(done));
  closed_ = std::move(done);
  end_ = std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(limit, 24h);
  timer_ = std::make_unique<asio::steady_timer>(loop_.executor(), end_);
  timer_->async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& cancelled) {
    if (!cancelled && !alive.expired() && connected()) say_farewell();
  });
  apply_hold();
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) check_end();
  });
}

void Session::check_end() {
  if (closed_ && connected() && outflow_.messages() == 0 && waiting_.empty()) say_farewell();
}

void Session::say_farewell() {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
  if (timer_) timer_->cancel();
  std::exchange(connection_, nullptr)->close(std::max(left, 1ms), std::exchange(closed_, nullptr));
}

// --- out ------------------------------------------------------------------------------------------------------------

PublishHead Session::head_of(const Outgoing& message) const noexcept {
  return {message.topic, message.properties, 0, message.qos, message.retain, message.duplicate};
}

bool Session::admits(const Outgoing& message, Failure& failure) const {
  const Grant& grant = connection_->grant();
  const std::size_t size = publish_size(access_->version(), head_of(message), message.body_size());
  if (size > connection_->max_packet_bytes()) {
    failure = Failure(MqttError::packet_too_large,
                      "a packet of " + std::to_string(size) + " bytes is longer than the " +
                          std::to_string(connection_->max_packet_bytes()) +
                          (grant.maximum_packet_size < access_->max_message_bytes ? " that the server accepts" : " of maxMessageSize"),
                      Fate::not_sent);
  } else if (message.qos > grant.maximum_qos) {
    failure = refusal("QoS " + std::to_string(message.qos), MqttError::qos_not_supported);
  } else if (message.retain && !grant.retain_available) {
    failure = refusal("retain", MqttError::retain_not_supported);
  } else if (!connection_->has_room(size + waiting_bytes_)) {
    failure = Failure(errc::overloaded,
                      connection_->name() + " does not take messages fast enough: " +
                          std::to_string(connection_->out().bytes() + waiting_bytes_) + " bytes are queued for it, and " +
                          std::to_string(size) + " more exceed maxSendBufferSize (" + std::to_string(access_->max_send_bytes) + ")",
                      Fate::not_sent);
  } else {
    return true;
  }
  return false;
}

void Session::publish(const Outgoing& message, const Ticket& ticket) {
  if (message.qos == 0 || (waiting_.empty() && outflow_.has_slot())) send_now(message, ticket);
  else put_off(message, ticket);
}

void Session::send_now(const Outgoing& message, const Ticket& ticket) {
  PublishHead head = head_of(message);
  packet_.clear();
  net::OutQueue& out = connection_->out();
  if (message.qos == 0) {
    append_publish_head(packet_, access_->version(), head, message.body_size());
    out.append(packet_, message.head, *message.payload, message.tail);
    return connection_->appended();
  }
  Outflow::Entry& entry = outflow_.add_message(message.qos, ticket);
  head.id = entry.id;
  append_publish_head(packet_, access_->version(), head, message.body_size());
  if (access_->session_lasts) {
    packet_.append(message.head).append(*message.payload).append(message.tail);
    entry.packet = packet_;
    out.append(packet_);
  } else {
    out.append(packet_, message.head, *message.payload, message.tail);
  }
  connection_->appended();
}

void Session::put_off(const Outgoing& message, const Ticket& ticket) {
  Waiting waiting{{}, 0, message.qos, ticket};
  append_publish_head(waiting.packet, access_->version(), head_of(message), message.body_size());
  waiting.id_at = id_position(waiting.packet, message.topic.size());
  waiting.packet.append(message.head).append(*message.payload).append(message.tail);
  waiting_bytes_ += waiting.packet.size();
  waiting_.push_back(std::move(waiting));
}

void Session::send_waiting() {
  while (!waiting_.empty() && outflow_.has_slot()) {
    Waiting& message = waiting_.front();
    Outflow::Entry& entry = outflow_.add_message(message.qos, message.ticket);
    put_id(message.packet, message.id_at, entry.id);
    waiting_bytes_ -= message.packet.size();
    write(message.packet);
    if (access_->session_lasts) entry.packet = std::move(message.packet);
    waiting_.pop_front();
  }
}

void Session::subscribe(const std::vector<TopicFilter>& filters, const Ticket& ticket) {
  packet_.clear();
  append_subscribe(packet_, access_->version(), outflow_.add_request(ticket).id, filters);
  write(packet_);
}

void Session::unsubscribe(const std::vector<std::string>& filters, const Ticket& ticket) {
  packet_.clear();
  append_unsubscribe(packet_, access_->version(), outflow_.add_request(ticket).id, filters);
  write(packet_);
}

void Session::write(std::string_view packet) {
  connection_->out().append(packet);
  connection_->appended();
}

void Session::write_acknowledgement(PacketType type, std::uint16_t id, std::uint8_t code) {
  std::string packet;
  append_acknowledgement(packet, type, id, access_->version(), code);
  write(packet);
}

// --- in -------------------------------------------------------------------------------------------------------------

void Session::on_publish(const Publish& message) {
  if (closed_) return;   // not acknowledged: a session that lasts gets it again
  if (message.qos == 0) return user_.on_message(message, nullptr);
  const Inflow::Taken taken = inflow_.take(message);
  if (taken.verdict == Inflow::Verdict::received) return write_acknowledgement(PacketType::pubrec, message.id);
  if (taken.verdict == Inflow::Verdict::fresh) user_.on_message(message, taken.arrival);
  else if (taken.arrival->settled) settle(*taken.arrival);
  if (connected()) apply_hold();
}

void Session::settle(Arrival& arrival) {
  arrival.settled = true;
  if (!connected()) return;
  inflow_.advance([this](PacketType type, std::uint16_t id) { write_acknowledgement(type, id); });
  apply_hold();
}

void Session::on_acknowledgement(PacketType type, const Acknowledgement& answer) {
  if (type == PacketType::pubrel) {
    inflow_.release(answer.id);
    return write_acknowledgement(PacketType::pubcomp, answer.id);
  }
  Ticket ticket;
  std::uint8_t code = answer.code;
  const Outflow::Step step = outflow_.answer(type, answer.id, code, ticket);
  if (step == Outflow::Step::release) return write_acknowledgement(PacketType::pubrel, answer.id);
  // A PUBREC that nobody waits for: the server keeps its id until it is told so.
  if (step == Outflow::Step::unknown && type == PacketType::pubrec) {
    constexpr std::uint8_t not_found = 0x92;
    return write_acknowledgement(PacketType::pubrel, answer.id, not_found);
  }
  if (step != Outflow::Step::done) return;
  send_waiting();
  apply_hold();
  report(ticket, code, answer.reason);
  check_end();
}

void Session::report(const Ticket& ticket, std::uint8_t code, std::string_view words) {
  if (closed_) return;
  const bool unheard = code == static_cast<std::uint8_t>(MqttError::no_matching_subscribers);
  if (!unheard && code < 0x80) return user_.on_published(ticket, nullptr);
  const Failure failure = refusal("the server did not deliver the message", static_cast<MqttError>(code), words);
  user_.on_published(ticket, &failure);
}

void Session::on_codes(PacketType type, const Codes& answer) {
  Ticket ticket;
  std::uint8_t none = 0;
  if (outflow_.answer(type, answer.id, none, ticket) != Outflow::Step::done || closed_) return;
  if (type == PacketType::suback) user_.on_subscribed(ticket, answer);
  else user_.on_unsubscribed(ticket);
}

}  // namespace ferry::mqtt
