#include "transports/tcp/connection.hpp"

#include <algorithm>

#include <asio/error.hpp>

namespace ferry::tcp {
namespace {

using namespace std::chrono_literals;

constexpr auto stall_check = 100ms;               // congested so long without a byte written: read on
constexpr auto linger_limit = 1000ms;             // for a peer to end its side after we did

}  // namespace

Connection::Connection(const spi::Loop& loop, const spi::Serializer& serializer, const Limits& limits,
                       std::unique_ptr<Wire> wire)
    : loop_(loop),
      serializer_(serializer),
      limits_(limits),
      text_(serializer.text()),
      wire_(std::move(wire)),
      timer_(loop.executor()),
      secure_(wire_->secure()),
      reader_(text_, limits.max_buffer),
      writer_(limits.high_water_bytes) {
  due_.fill(never);
  std::error_code ignored;
  peer_address_ = address_of(wire_->socket().remote_endpoint(ignored));
  own_address_ = address_of(wire_->socket().local_endpoint(ignored));
  // The accepting side of a Unix-domain socket has the name.
  if (peer_address_.address.empty() && peer_address_.path.empty()) peer_address_.path = own_address_.path;
  peer_name_ = peer_address_.url(secure_);
}

// --- start ----------------------------------------------------------------------------------------------------------

void Connection::start(std::chrono::milliseconds limit) {
  arm(ending, Clock::now() + limit);
  ++pending_;
  wire_->async_handshake(shared_from_this());
}

void Connection::on_handshake(const std::error_code& error, std::string_view detail) {
  --pending_;
  if (state_ != State::shaking_hands) return release();
  if (error) {
    std::string text = error == NetError::tls_handshake ? "TLS handshake failed: " : "";
    return destroy(Failure(plain(error), text.append(detail), Fate::not_sent));
  }
  due_[ending] = never;
  state_ = State::open;
  peer_subject_ = wire_->peer_certificate_subject();
  on_open();
  read_more();
}

// --- reading --------------------------------------------------------------------------------------------------------

void Connection::read_more() {
  if (reading_ || state_ == State::gone || !wire_) return;
  if (state_ == State::open ? holds_ != 0 : state_ != State::lingering) return;
  if (state_ == State::lingering) in_.clear();   // what comes now is discarded
  const std::span<char> room = in_.prepare(reader_.expected_bytes());
  if (!account()) return wait_for_room();   // others must go before more comes in
  reading_ = true;
  ++pending_;
  wire_->async_read(room, shared_from_this());
}

void Connection::on_read(const std::error_code& error, std::size_t bytes) {
  reading_ = false;
  --pending_;
  if (state_ == State::gone) return release();
  if (error == asio::error::eof) {
    if (state_ == State::lingering) return destroy(std::move(end_reason_));
    return state_ == State::open ? on_peer_ended() : void();
  }
  if (error) return destroy(Failure(plain(error), "Connection closed: " + reason(error)));
  if (state_ != State::open) return read_more();
  in_.commit(bytes);
  if (!reader_.fits(in_.unread())) {
    return fault(TcpError::packet_too_long, too_long_text(reader_.length_of(in_.unread())));
  }
  process();
  read_more();
}

/// Dispatches frames until there is no more, or until somebody holds us; then sends what that produced.
void Connection::process() {
  const std::shared_ptr<Connection> alive = shared_from_this();
  in_batch_ = true;
  batch_time_ = {};
  const auto may_go_on = [this] {
    return state_ == State::open && (holds_ == 0 || (dispatch_all_ && !queues_too_much()));
  };
  while (may_go_on() && take_step(reader_.next(in_.unread()))) {}
  in_batch_ = false;
  batch_time_ = {};
  if (state_ == State::open) watch_packet();
  if (state_ != State::gone) flush();
}

bool Connection::take_step(const FrameReader::Step& step) {
  switch (step.status) {
    case FrameReader::Status::need_more:
      in_.consume(step.taken);
      return false;
    case FrameReader::Status::corrupt_length:
      fault(TcpError::corrupt_length, corrupt_length_text(step.body));
      return false;
    case FrameReader::Status::cut_character:
      fault(TcpError::bad_body, bad_body_text("the length ends within a surrogate pair", step.body));
      return false;
    case FrameReader::Status::frame: break;
  }
  in_.consume(step.taken);
  if (step.ill_formed) {
    const std::string repaired = detail::replace_invalid_utf8(step.body);
    const ChunkPtr chunk = ChunkPtr::copy_of(repaired);
    on_frame({chunk.data(), repaired.size()}, chunk);
  } else {
    on_frame(step.body, in_.chunk());
  }
  return true;
}

/// A packet that has begun must not stay unfinished for ever.
void Connection::watch_packet() {
  if (limits_.incomplete_timeout == 0ms || !reader_.in_packet(in_.unread())) return;
  // One look at the clock a read, and the timer is left alone: `on_due` looks how long it really was.
  last_read_ = Clock::now();
  if (due_[incomplete] == never) arm(incomplete, last_read_ + limits_.incomplete_timeout);
}

void Connection::hold(bool held) {
  if (held) {
    holds_ |= held_by_owner;
  } else if ((holds_ & held_by_owner) != 0) {
    holds_ &= static_cast<std::uint8_t>(~held_by_owner);
    continue_reading();
  }
}

void Connection::continue_reading() {
  if (holds_ != 0 || state_ != State::open) return;
  // Not from inside the call: whoever lifted the hold may be in the middle of a batch, or of a reply.
  loop_.post([self = shared_from_this()] {
    if (self->holds_ != 0 || self->state_ != State::open || self->in_batch_) return;
    self->process();
    self->read_more();
  });
}

// --- writing --------------------------------------------------------------------------------------------------------

void Connection::post_flush() {
  if (flush_posted_) return;
  flush_posted_ = true;
  loop_.post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

/// So much is queued that waiting for the end of the batch costs more than it gives. Only writes; what follows from it
/// is left to `flush`, because a caller of ours may be core.
void Connection::relieve() {
  if (state_ == State::gone) return;
  write_now();
  if (!congested()) judge_congestion();   // can only become so; relief calls others
  const bool fits = account() && !queues_too_much();
  // What else was read may ask for as much again. A peer that does not read may, too, but others have their turn between.
  if (!fits || reading_on_) wait_for_room();
}

/// Nothing more is taken until the next `flush`, which comes after whatever was posted to make room.
void Connection::wait_for_room() {
  holds_ |= held_by_excess;
  post_flush();
}

void Connection::write_now() {
  if (state_ == State::shaking_hands || state_ == State::gone) return;
  if (!writer_.write(*wire_)) return;
  ++pending_;
  wire_->wait_writable(shared_from_this());
}

void Connection::on_writable(const std::error_code&) {
  writer_.unblock();
  --pending_;
  if (state_ == State::gone) return release();
  flush();   // an error shows in the next write
}

void Connection::flush() {
  if (state_ == State::gone) return;
  const std::shared_ptr<Connection> alive = shared_from_this();
  collect();
  write_now();
  if (const std::error_code error = writer_.error()) return destroy(Failure(error, "Connection closed: " + reason(error)));
  if (queues_too_much()) {
    const Failure failure(TcpError::peer_not_reading, not_reading_text(out().bytes(), limits_.max_send_bytes));
    on_fault(failure);
    return destroy(failure);
  }
  account();
  if ((holds_ & held_by_excess) != 0) {
    holds_ &= static_cast<std::uint8_t>(~held_by_excess);
    continue_reading();
  }
  on_sent();
  judge_congestion();
  check_end();
}

/// NestJS stops reading from a peer that does not read. Two such peers wait for each other for ever, so ours goes on
/// when nothing at all could be written for a while; `max_send_bytes` bounds that.
void Connection::judge_congestion() {
  if (limits_.high_water_bytes == 0) return;
  const bool was = congested();
  writer_.judge_congestion();
  const bool is = congested();
  if (reading_on_ && out().sent() != sent_at_check_) reading_on_ = false;
  if (is && !reading_on_ && (holds_ & held_by_congestion) == 0) {
    holds_ |= held_by_congestion;
    sent_at_check_ = out().sent();
    arm(stalled_write, Clock::now() + stall_check);
  } else if (was && !is) {
    reading_on_ = false;
    if ((holds_ & held_by_congestion) != 0) {
      holds_ &= static_cast<std::uint8_t>(~held_by_congestion);
      continue_reading();
    }
    on_relieved();
  }
}

Connection::Clock::time_point Connection::batch_time() {
  if (!in_batch_) return Clock::now();
  if (batch_time_ == Clock::time_point{}) batch_time_ = Clock::now();
  return batch_time_;
}

// --- the end --------------------------------------------------------------------------------------------------------

void Connection::fault(TcpError code, std::string text) {
  const Failure failure(code, std::move(text));
  on_fault(failure);
  end(answers_limit, true, Failure(errc::connection_lost, "Connection closed: " + failure.detail));
}

void Connection::drain() {
  if (state_ == State::open && !in_batch_) {
    dispatch_all_ = true;
    process();
    dispatch_all_ = false;
  }
  draining_ = true;
}

void Connection::end(std::chrono::milliseconds limit, bool answers, Failure why) {
  if (state_ == State::gone) return;
  if (state_ == State::shaking_hands) return destroy(std::move(why));
  if (state_ == State::lingering) return;
  const bool again = state_ == State::ending;
  state_ = State::ending;
  if (!again) end_reason_ = std::move(why);
  answers_owed_ = answers && (answers_owed_ || !again);
  if (!reading_) in_.clear();   // a read that is under way still has its room
  due_[incomplete] = never;
  const Clock::time_point latest = Clock::now() + std::min<std::chrono::milliseconds>(limit, 24h);
  arm(ending, again ? std::min(latest, due_[ending]) : latest);
  post_flush();   // and there `check_end`, never from inside a call of core's
}

void Connection::check_end() {
  if (state_ != State::ending || !out().empty()) return;
  if (answers_owed_ && owes_answers()) return;
  if (parts_gently()) return linger();
  wire_->shutdown_send();   // TLS says farewell
  destroy(std::move(end_reason_));
}

/// Ends our side and waits for the peer to end its own: bytes that come when we have closed would make the system send
/// a reset, and the peer lose what it has not read yet.
void Connection::linger() {
  state_ = State::lingering;
  wire_->shutdown_send();
  arm(ending, std::min(due_[ending], Clock::now() + linger_limit));
  read_more();
}

void Connection::destroy(Failure why) {
  if (state_ == State::gone) return;
  const std::shared_ptr<Connection> alive = shared_from_this();
  state_ = State::gone;
  writer_.clear();
  if (held_ != 0) on_held(std::exchange(held_, 0), 0);
  timer_->cancel();
  wire_->close();
  release();
  on_gone(why);
}

/// Messages may outlive the loop's context, and they keep this object: what hangs on the context must not stay.
void Connection::release() {
  if (state_ != State::gone || pending_ != 0) return;
  // Later, because the caller may be the wire.
  loop_.post([self = shared_from_this()] {
    self->wire_.reset();
    self->timer_.reset();
    self->in_.clear();
  });
}

// --- time -----------------------------------------------------------------------------------------------------------

void Connection::arm(Due due, Clock::time_point when) {
  due_[due] = when;
  if (when >= armed_) return;
  armed_ = when;
  timer_->expires_at(when);
  timer_->async_wait([self = shared_from_this()](const std::error_code& error) {
    if (!error) self->on_timer();
  });
}

void Connection::on_timer() {
  if (state_ == State::gone) return;
  armed_ = never;
  const Clock::time_point now = Clock::now();
  for (std::uint8_t i = 0; i < due_count && state_ != State::gone; ++i) {
    if (due_[i] > now) continue;
    due_[i] = never;
    on_due(static_cast<Due>(i), now);
  }
  if (state_ == State::gone) return;
  const auto next = std::min_element(due_.begin(), due_.end());
  if (*next != never) arm(static_cast<Due>(next - due_.begin()), *next);
}

void Connection::on_due(Due due, Clock::time_point now) {
  switch (due) {
    case incomplete:
      if (state_ != State::open || !reader_.in_packet(in_.unread())) return;
      if (holds_ != 0 || now - last_read_ < limits_.incomplete_timeout) {
        if (holds_ != 0) last_read_ = now;   // we do not read: the silence is ours
        return arm(incomplete, last_read_ + limits_.incomplete_timeout);
      } else {
        const std::string text = stalled_text(reader_.length_of(in_.unread()), limits_.incomplete_timeout);
        on_fault(Failure(TcpError::peer_stalled, text));
        return destroy(Failure(errc::connection_lost, "Connection closed: " + text));
      }
    case stalled_write:
      if (!congested() || (holds_ & held_by_congestion) == 0) return;
      if (out().sent() != sent_at_check_) {
        sent_at_check_ = out().sent();
        return arm(stalled_write, now + stall_check);
      }
      reading_on_ = true;
      holds_ &= static_cast<std::uint8_t>(~held_by_congestion);
      return continue_reading();
    case ending:
      if (state_ == State::shaking_hands) {
        return destroy(Failure(std::error_code(ETIMEDOUT, std::system_category()), "the handshake took too long",
                               Fate::not_sent));
      }
      if (state_ == State::ending && answers_owed_ && out().empty()) return linger();
      if (end_reason_.detail.empty()) end_reason_ = Failure(errc::closed, "closed");
      return destroy(std::move(end_reason_));
    case due_count: return;
  }
}

}  // namespace ferry::tcp
