#include "transports/rmq/connection.hpp"

#include <algorithm>
#include <utility>

#include <asio/error.hpp>

#include "transports/common/net/error.hpp"
#include "transports/rmq/error.hpp"

namespace ferry::rmq {
namespace {

using namespace std::chrono_literals;

constexpr int most_silences = 4;                  // halves of the heartbeat's interval
constexpr std::size_t pool_page = 4096;

}  // namespace

Connection::Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, const Target& target,
                       std::unique_ptr<net::Wire> wire)
    : loop_(loop),
      access_(std::move(access)),
      target_(target),
      wire_(std::move(wire)),
      timer_(loop.executor()),
      end_timer_(loop.executor()),
      writer_(access_->high_water_bytes) {
  init_amqp_pool(&pool_, pool_page);
}

Connection::~Connection() { empty_amqp_pool(&pool_); }

// --- start ----------------------------------------------------------------------------------------------------------

void Connection::start(std::chrono::milliseconds limit, std::function<void(const Failure*)> ready) {
  ready_ = std::move(ready);
  timer_->expires_after(limit);
  timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (cancelled || self->gone_ || !self->ready_) return;
    self->destroy(Failure(std::error_code(ETIMEDOUT, std::system_category()), "the log-in took too long", Fate::not_sent));
  });
  ++pending_;
  wire_->async_handshake(shared_from_this());
}

void Connection::on_handshake(const std::error_code& error, std::string_view detail) {
  --pending_;
  if (gone_) return release();
  if (error) {
    return destroy(Failure(net::plain(error), std::string("TLS handshake failed: ").append(detail), Fate::not_sent));
  }
  open_ = true;
  out().append(protocol_header);
  flush();
  if (!gone_) read_more();
}

void Connection::ready(const Failure* failure) {
  timer_->cancel();
  if (failure == nullptr && beat_interval_ > 0ms) beat();
  if (ready_) std::exchange(ready_, nullptr)(failure);
}

// --- reading --------------------------------------------------------------------------------------------------------

void Connection::read_more() {
  if (reading_ || gone_ || held_) return;
  reading_ = true;
  ++pending_;
  wire_->async_read(in_.prepare(needed_), shared_from_this());
}

void Connection::on_read(const std::error_code& error, std::size_t bytes) {
  reading_ = false;
  --pending_;
  if (gone_) return release();
  if (error) {
    const bool ended = error == asio::error::eof;
    const std::string why = ended ? "the broker ended the connection" : net::reason(error);
    return destroy(Failure(ended ? make_error_code(errc::connection_lost) : net::plain(error), "Connection closed: " + why));
  }
  heard_ = true;
  in_.commit(bytes);
  process();
  read_more();
}

/// Hands on frames until there are no more, or until somebody holds us; then sends what that produced.
void Connection::process() {
  const std::shared_ptr<Connection> alive = shared_from_this();
  in_batch_ = true;
  while (!gone_ && !held_) {
    std::string_view rest = in_.unread();
    const std::size_t before = rest.size();
    Frame frame;
    const FrameStep step = read_frame(rest, frame_max_, frame, needed_);
    if (step == FrameStep::more) break;
    if (step == FrameStep::broken) {
      broken(in_.unread().starts_with("AMQP") ? "speaks another version of AMQP" : "sent what is no frame");
      break;
    }
    const bool good = take(frame);
    recycle_amqp_pool(&pool_);
    if (gone_) break;
    if (!good) {
      broken("sent a frame that makes no sense here");
      break;
    }
    in_.consume(before - rest.size());
  }
  in_batch_ = false;
  if (!gone_) flush();
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
    case AMQP_BASIC_RETURN_METHOD: reader.begin(method, in_.chunk()); return true;
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
      const Failure why = refusal(ready_ ? "the broker refused the connection" : "the broker closed the connection",
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
      if (ready_) take_handshake(method);
  }
}

bool Connection::take_content_part(const Frame& frame) {
  if (frame.channel == 0) return false;
  ContentReader& reader = contents_[frame.channel];
  switch (reader.take(frame, in_.chunk(), access_->max_message_bytes)) {
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

void Connection::hold(bool held) {
  if (std::exchange(held_, held) == held || held) return;
  // Not from inside the call: whoever lifted the hold may be in the middle of a batch.
  loop_.post([self = shared_from_this()] {
    if (self->gone_ || self->held_ || self->in_batch_) return;
    self->process();
    self->read_more();
  });
}

// --- writing --------------------------------------------------------------------------------------------------------

bool Connection::send_method(std::uint16_t channel, amqp_method_number_t id, void* decoded) {
  if (gone_) return true;
  frames_.clear();
  if (!append_method(frames_, channel, id, decoded)) return false;
  out().append(frames_);
  appended();
  return true;
}

bool Connection::publish(std::uint16_t channel, const Publication& message, std::string_view head, std::string& payload,
                         std::string_view tail, Failure& failure) {
  if (gone_) return failure = Failure(errc::connection_lost, "the connection is gone", Fate::not_sent), false;
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

void Connection::appended() {
  if (writer_.appended()) {
    write_now();
    judge_congestion();
  }
  if (!in_batch_ && !flush_posted_) post_flush();
}

void Connection::post_flush() {
  if (std::exchange(flush_posted_, true)) return;
  loop_.post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void Connection::write_now() {
  if (!open_ || gone_) return;
  if (!writer_.write(*wire_)) return;
  ++pending_;
  wire_->wait_writable(shared_from_this());
}

void Connection::on_writable(const std::error_code&) {
  writer_.unblock();
  --pending_;
  if (gone_) return release();
  flush();   // an error shows in the next write
}

void Connection::flush() {
  if (gone_) return;
  const std::shared_ptr<Connection> alive = shared_from_this();
  write_now();
  // What the broker said before it hung up is still to be read: that says more than a broken pipe.
  const std::error_code error = writer_.error();
  if (error && (held_ || error.value() != EPIPE)) {
    return destroy(Failure(error, "Connection closed: " + net::reason(error)));
  }
  judge_congestion();
}

void Connection::judge_congestion() {
  const bool was = congested();
  writer_.judge_congestion();
  if (!was || congested()) return;
  // Not from inside a call of core's.
  loop_.post([self = shared_from_this()] {
    if (!self->gone_ && !self->congested() && self->user_ != nullptr) self->user_->on_relieved(*self);
  });
}

// --- life -----------------------------------------------------------------------------------------------------------

/// Twice in each interval. While somebody holds us the broker may have beaten all the same.
void Connection::beat() {
  silences_ = heard_ || held_ ? 0 : silences_ + 1;
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
    if (gone_) return;
  }
  written_ = out().sent();
  timer_->expires_after(beat_interval_);
  timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (!cancelled && !self->gone_) self->beat();
  });
}

void Connection::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (gone_) return loop_.post(std::move(done));
  user_ = nullptr;
  closed_ = std::move(done);
  end_timer_->expires_after(std::min<std::chrono::milliseconds>(limit, 24h));
  end_timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (!cancelled) self->destroy(Failure(errc::closed, "closed"));
  });
  hold(false);
  // It comes after all that was published, and its answer when all of that was taken.
  send(0, AMQP_CONNECTION_CLOSE_METHOD, amqp_connection_close_t{200, bytes_of("closed by ferry"), 0, 0});
}

void Connection::drop() {
  user_ = nullptr;
  ready_ = nullptr;
  destroy(Failure(errc::closed, "closed"));
}

void Connection::destroy(Failure why) {
  if (std::exchange(gone_, true)) return;
  const std::shared_ptr<Connection> alive = shared_from_this();
  open_ = false;
  timer_->cancel();
  end_timer_->cancel();
  wire_->close();
  writer_.clear();
  release();
  if (ready_) ready(&why);
  else if (user_ != nullptr) std::exchange(user_, nullptr)->on_gone(*this, why);
  if (closed_) loop_.post(std::exchange(closed_, nullptr));
}

/// Others may hold this longer than the loop's context lasts: what hangs on it must not stay.
void Connection::release() {
  if (!gone_ || pending_ != 0) return;
  // Later, because the caller may be the wire.
  loop_.post([self = shared_from_this()] {
    self->wire_.reset();
    self->timer_.reset();
    self->end_timer_.reset();
    self->in_.clear();
    for (ContentReader& reader : self->contents_) reader.reset();
  });
}

}  // namespace ferry::rmq
