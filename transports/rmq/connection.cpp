#include "transports/rmq/connection.hpp"

#include <algorithm>
#include <utility>

#include "transports/rmq/error.hpp"

namespace ferry::rmq {
namespace {

using namespace std::chrono_literals;

constexpr int most_silences = 4;                  // halves of the heartbeat's interval
constexpr std::size_t pool_page = 4096;

}  // namespace

Connection::Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, const Target& target,
                       std::unique_ptr<net::Wire> wire)
    : Link(loop, std::move(wire), {0, access->high_water_bytes}, target.name), access_(std::move(access)), target_(target) {
  init_amqp_pool(&pool_, pool_page);
}

Connection::~Connection() { empty_amqp_pool(&pool_); }

void Connection::on_open() {
  out().append(protocol_header);
  appended();
}

// --- reading --------------------------------------------------------------------------------------------------------

std::size_t Connection::take(std::string_view unread, std::size_t& expected) {
  heard_ = true;
  std::string_view rest = unread;
  Frame frame;
  const FrameStep step = read_frame(rest, frame_max_, frame, expected);
  if (step == FrameStep::more) return 0;
  if (step == FrameStep::broken) {
    broken(unread.starts_with("AMQP") ? "speaks another version of AMQP" : "sent what is no frame");
    return 0;
  }
  const bool good = take(frame);
  recycle_amqp_pool(&pool_);
  if (!good && !gone()) broken("sent a frame that makes no sense here");
  return gone() ? 0 : unread.size() - rest.size();
}

void Connection::broken(std::string_view what) {
  destroy(Failure(RmqError::protocol, "Connection closed: " + name() + " does not speak AMQP 0-9-1: it " + std::string(what)));
}

bool Connection::take(const Frame& frame) {
  if (frame.channel > most_channels) return false;
  switch (frame.type) {
    case AMQP_FRAME_METHOD: return take_method(frame);
    case AMQP_FRAME_HEARTBEAT: return frame.channel == 0;
    default: return take_content_part(frame);
  }
}

bool Connection::take_method(const Frame& frame) {
  Method method;
  if (!read_method(frame, pool_, method)) return false;
  if (method.channel == 0) {
    take_connection_method(method);
    return true;
  }
  ContentReader& reader = contents_[method.channel];
  if (!reader.idle()) return false;
  switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD:
    case AMQP_BASIC_GET_OK_METHOD:
    case AMQP_BASIC_RETURN_METHOD: reader.begin(method, memory()); return true;
    case AMQP_CHANNEL_CLOSE_METHOD: {
      const auto& close = method.as<amqp_channel_close_t>();
      const Failure why = refusal("the broker closed the channel", close.reply_code, text_of(close.reply_text));
      send(method.channel, AMQP_CHANNEL_CLOSE_OK_METHOD, amqp_channel_close_ok_t{});
      if (user_ != nullptr) user_->on_channel_closed(*this, method.channel, why);
      return true;
    }
    default:
      if (user_ != nullptr) user_->on_method(*this, method);
      return true;
  }
}

void Connection::take_connection_method(const Method& method) {
  switch (method.id) {
    case AMQP_CONNECTION_CLOSE_METHOD: {
      const auto& close = method.as<amqp_connection_close_t>();
      const Failure why = refusal(starting() ? "the broker refused the connection" : "the broker closed the connection",
                                  close.reply_code, text_of(close.reply_text));
      send(0, AMQP_CONNECTION_CLOSE_OK_METHOD, amqp_connection_close_ok_t{});
      write_now();
      return destroy(why);
    }
    case AMQP_CONNECTION_CLOSE_OK_METHOD: return destroy(Failure(errc::closed, "closed"));
    case AMQP_CONNECTION_BLOCKED_METHOD:
      blocked_ = true;
      if (user_ != nullptr) user_->on_blocked(*this, true, text_of(method.as<amqp_connection_blocked_t>().reason));
      return;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      blocked_ = false;
      if (user_ != nullptr) user_->on_blocked(*this, false, {});
      return;
    default:
      if (starting()) take_handshake(method);
  }
}

bool Connection::take_content_part(const Frame& frame) {
  if (frame.channel == 0) return false;
  ContentReader& reader = contents_[frame.channel];
  switch (reader.take(frame, memory(), access_->max_message_bytes)) {
    case ContentReader::Step::more: return true;
    case ContentReader::Step::broken: return false;
    case ContentReader::Step::too_large:
      destroy(Failure(RmqError::message_too_large,
                      "Connection closed: a message is longer than maxMessageSize (" +
                          std::to_string(access_->max_message_bytes) + ")"));
      return true;
    case ContentReader::Step::complete: break;
  }
  if (user_ != nullptr) user_->on_content(*this, reader.content());
  reader.reset();
  return true;
}

// --- writing --------------------------------------------------------------------------------------------------------

bool Connection::send_method(std::uint16_t channel, amqp_method_number_t id, void* decoded) {
  if (gone()) return true;
  frames_.clear();
  if (!append_method(frames_, channel, id, decoded)) return false;
  out().append(frames_);
  appended();
  return true;
}

bool Connection::publish(std::uint16_t channel, const Publication& message, std::string_view head, std::string& payload,
                         std::string_view tail, Failure& failure) {
  if (gone()) return failure = Failure(errc::connection_lost, "the connection is gone", Fate::not_sent), false;
  const std::size_t body = head.size() + payload.size() + tail.size();
  if (body > access_->max_message_bytes) {
    failure = Failure(RmqError::message_too_large, std::to_string(body) + " bytes are more than maxMessageSize (" +
                                                       std::to_string(access_->max_message_bytes) + ")", Fate::not_sent);
    return false;
  }
  if (access_->max_send_bytes != 0 && out().bytes() + body > access_->max_send_bytes) {
    failure = Failure(errc::overloaded,
                      name() + (blocked_ ? " has blocked this connection: " : " does not read fast enough: ") +
                          std::to_string(out().bytes()) + " bytes are queued for it, and " + std::to_string(body) +
                          " more exceed maxSendBufferSize (" + std::to_string(access_->max_send_bytes) + ")",
                      Fate::not_sent);
    return false;
  }
  frames_.clear();
  if (message.routing_key.size() > most_short_text || message.exchange.size() > most_short_text) {
    failure = Failure(errc::bad_pattern, "a routing key has 255 bytes at most, this one " +
                                             std::to_string(message.routing_key.size()), Fate::not_sent);
    return false;
  }
  if (!append_content_head(frames_, channel, message, body, frame_max_)) {
    failure = Failure(errc::bad_payload, "the headers are longer than a frame (" + std::to_string(frame_max_) + " bytes)", Fate::not_sent);
    return false;
  }
  const std::size_t most = frame_max_ - frame_overhead;
  if (body <= most) {
    if (body != 0) append_body_head(frames_, channel, body);
    last_.assign(tail);
    if (body != 0) last_ += frame_end;
    out().append(frames_, head, payload, last_);
  } else {
    std::string whole;
    whole.reserve(body);
    whole.append(head).append(payload).append(tail);
    frames_.reserve(frames_.size() + body + (body / most + 1) * frame_overhead);
    for (std::string_view rest = whole; !rest.empty(); rest.remove_prefix(std::min(most, rest.size()))) {
      const std::string_view part = rest.substr(0, most);
      append_body_head(frames_, channel, part.size());
      frames_.append(part) += frame_end;
    }
    out().append({}, {}, frames_, {});
  }
  appended();
  return true;
}

// --- life -----------------------------------------------------------------------------------------------------------

/// Twice in each interval. While somebody holds us the broker may have beaten all the same.
void Connection::beat() {
  silences_ = heard_ || held() ? 0 : silences_ + 1;
  if (silences_ > most_silences) {
    return destroy(Failure(RmqError::silent, "Connection closed: " + name() + " was silent for " +
                                                 std::to_string(beat_interval_.count() * most_silences) + " ms (heartbeat)"));
  }
  heard_ = false;
  if (out().sent() == written_ && out().empty()) {
    std::string frame;
    append_heartbeat(frame);
    out().append(frame);
    flush();
    if (gone()) return;
  }
  written_ = out().sent();
  after(beat_interval_, [this] { beat(); });
}

void Connection::close(std::chrono::milliseconds limit, std::function<void()> done) {
  user_ = nullptr;
  // It comes after all that was published, and its answer when all of that was taken.
  send(0, AMQP_CONNECTION_CLOSE_METHOD, amqp_connection_close_t{200, bytes_of("closed by ferry"), 0, 0});
  end_within(limit, std::move(done));
}

void Connection::on_relieved() {
  if (user_ != nullptr) user_->on_relieved(*this);
}

void Connection::on_end() {
  // Later, because the caller may be one of its messages.
  loop().post([self = std::static_pointer_cast<Connection>(shared_from_this())] {
    for (ContentReader& reader : self->contents_) reader.reset();
  });
}

void Connection::on_gone(const Failure& why) {
  if (user_ != nullptr) std::exchange(user_, nullptr)->on_gone(*this, why);
}

}  // namespace ferry::rmq
