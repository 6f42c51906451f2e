#include "transports/common/net/link.hpp"

#include <cerrno>
#include <utility>

#include <asio/error.hpp>

#include "transports/common/net/error.hpp"

namespace ferry::net {

/// What other threads leave here.
struct Link::Afar {
  mutable std::mutex mutex;
  OutQueue out;
  bool posted = false;
  bool closed = false;   // the connection is gone
};

Link::Link(const spi::Loop& loop, std::unique_ptr<Wire> wire, Limits limits, std::string name)
    : loop_(loop),
      wire_(std::move(wire)),
      limits_(limits),
      name_(std::move(name)),
      writer_(limits.high_water_bytes),
      afar_(std::make_unique<Afar>()) {}

Link::~Link() = default;

void Link::open() {
  ++pending_;
  wire_->async_handshake(shared_from_this());
}

void Link::on_handshake(const std::error_code& error, std::string_view detail) {
  --pending_;
  if (gone_) return release();
  if (error) return destroy(Failure(plain(error), std::string("TLS handshake failed: ").append(detail), Fate::not_sent));
  open_ = true;
  on_open();
  read_more();
}

// --- reading --------------------------------------------------------------------------------------------------------

void Link::read_more() {
  if (reading_ || gone_ || held_) return;
  reading_ = true;
  ++pending_;
  wire_->async_read(in_.prepare(expected_), shared_from_this());
}

void Link::on_read(const std::error_code& error, std::size_t bytes) {
  reading_ = false;
  --pending_;
  if (gone_) return release();
  if (error) {
    const std::string why = error == asio::error::eof ? "the server ended the connection" : reason(error);
    const std::error_code code = error == asio::error::eof ? make_error_code(errc::connection_lost) : plain(error);
    return destroy(Failure(code, "Connection closed: " + why));
  }
  in_.commit(bytes);
  process();
  read_more();
}

/// Hands on messages until there are no more, or until somebody holds us; then sends what that produced.
void Link::process() {
  const std::shared_ptr<Link> alive = shared_from_this();
  in_batch_ = true;
  while (!gone_ && !held_) {
    expected_ = 0;
    const std::size_t size = take(in_.unread(), expected_);
    if (size == 0) break;
    in_.consume(size);
  }
  in_batch_ = false;
  if (!gone_) flush();
}

void Link::hold(bool held) {
  if (std::exchange(held_, held) == held || held) return;
  // Not from inside the call: whoever lifted the hold may be in the middle of a batch.
  loop_.post([self = shared_from_this()] {
    if (self->gone_ || self->held_ || self->reading_ || !self->open_) return;
    self->process();
    self->read_more();
  });
}

// --- writing --------------------------------------------------------------------------------------------------------

void Link::appended() {
  if (writer_.appended()) {
    write_now();
    judge_congestion();
  }
  if (!in_batch_ && !flush_posted_) post_flush();
}

void Link::post_flush() {
  if (std::exchange(flush_posted_, true)) return;
  loop_.post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void Link::write_now() {
  if (!open_ || gone_ || !writer_.write(*wire_)) return;
  ++pending_;
  wire_->wait_writable(shared_from_this());
}

void Link::on_writable(const std::error_code&) {
  writer_.unblock();
  --pending_;
  if (gone_) return release();
  flush();   // an error shows in the next write
}

void Link::flush() {
  if (gone_) return;
  const std::shared_ptr<Link> alive = shared_from_this();
  collect();
  write_now();
  // What the server said before it hung up is still to be read: that says more than a broken pipe.
  const std::error_code error = writer_.error();
  if (error && (held_ || error.value() != EPIPE)) return destroy(Failure(error, "Connection closed: " + reason(error)));
  if (limits_.max_send_bytes != 0 && out().bytes() > limits_.max_send_bytes) {
    return destroy(Failure(errc::connection_lost,
                           "Connection closed: " + name_ + " does not read: " + std::to_string(out().bytes()) +
                               " bytes are queued for it, which exceeds maxSendBufferSize (" +
                               std::to_string(limits_.max_send_bytes) + ")"));
  }
  judge_congestion();
  on_flushed();
  if (finishing_ && !finished_ && !gone_ && out().empty()) {
    finished_ = true;
    wire_->shutdown_send();
  }
}

void Link::finish() {
  finishing_ = true;
  hold(false);
  post_flush();
}

bool Link::send_from_afar(std::string_view head, std::string& payload, std::string_view tail) {
  const std::lock_guard lock(afar_->mutex);
  if (afar_->closed || (limits_.max_send_bytes != 0 && afar_->out.bytes() > limits_.max_send_bytes)) return false;
  afar_->out.append({}, head, payload, tail);
  if (std::exchange(afar_->posted, true)) return true;
  loop_.post([self = shared_from_this()] {
    if (self->gone_) self->collect();
    else self->flush();
  });
  return true;
}

std::size_t Link::afar_bytes() const {
  const std::lock_guard lock(afar_->mutex);
  return afar_->out.bytes();
}

void Link::collect() {
  const std::lock_guard lock(afar_->mutex);
  afar_->posted = false;
  if (gone_) {
    afar_->out.clear();
    afar_->closed = true;
  } else if (!afar_->out.empty()) {
    out().splice(afar_->out);
  }
}

void Link::judge_congestion() {
  const bool was = congested();
  writer_.judge_congestion();
  if (!was || congested()) return;
  // Not from inside a call of core's.
  loop_.post([self = shared_from_this()] {
    if (!self->gone_ && !self->congested()) self->on_relieved();
  });
}

// --- the end --------------------------------------------------------------------------------------------------------

void Link::destroy(Failure why) {
  if (std::exchange(gone_, true)) return;
  const std::shared_ptr<Link> alive = shared_from_this();
  open_ = false;
  wire_->close();
  writer_.clear();
  collect();
  release();
  on_end(why);
}

/// Messages may outlive the loop's context: what hangs on it must not stay.
void Link::release() {
  if (!gone_ || pending_ != 0) return;
  // Later, because the caller may be the wire, or a message.
  loop_.post([self = shared_from_this()] {
    self->wire_.reset();
    self->in_.clear();
  });
}

}  // namespace ferry::net
