#include "transports/common/net/link.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include <asio/error.hpp>

#include "transports/common/net/error.hpp"

namespace ferry::net {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// What other threads leave here.
struct Link::Afar {
  mutable std::mutex mutex;
  OutQueue out;
  std::size_t messages = 0;
  bool posted = false;
  bool closed = false;   // the connection is gone
};

Link::Link(const spi::Loop& loop, std::unique_ptr<Wire> wire, Limits limits, std::string name)
    : loop_(loop),
      wire_(std::move(wire)),
      limits_(limits),
      name_(std::move(name)),
      timer_(loop.executor()),
      end_timer_(loop.executor()),
      writer_(limits.high_water_bytes),
      afar_(std::make_unique<Afar>()) {}

Link::~Link() = default;

// --- the start ------------------------------------------------------------------------------------------------------

void Link::start(milliseconds limit, std::function<void(const Failure*)> ready) {
  ready_ = std::move(ready);
  after(limit, [this] {
    if (!starting()) return;
    destroy(Failure(std::error_code(ETIMEDOUT, std::system_category()), "the log-in took too long", Fate::not_sent));
  });
  ++pending_;
  wire_->async_handshake(shared_from_this());
}

void Link::started() {
  if (!starting()) return;
  timer_->cancel();
  std::exchange(ready_, nullptr)(nullptr);
}

void Link::after(milliseconds delay, std::function<void()> then) {
  if (gone_) return;
  timer_->expires_after(delay);
  timer_->async_wait([self = shared_from_this(), then = std::move(then)](const std::error_code& cancelled) {
    if (!cancelled && !self->gone_) then();
  });
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
  const std::shared_ptr<Link> follower = follower_.lock();
  in_batch_ = true;
  if (follower) follower->in_batch_ = true;
  while (!gone_ && !held_) {
    expected_ = 0;
    const std::size_t size = take(in_.unread(), expected_);
    if (size == 0) break;
    in_.consume(size);
  }
  in_batch_ = false;
  if (!gone_) flush();
  if (!follower) return;
  follower->in_batch_ = false;
  if (!follower->out().empty()) follower->flush();
}

void Link::hold(bool held) {
  if (std::exchange(held_, held) == held || held) return;
  // Not from inside the call: whoever lifted the hold may be in the middle of a batch.
  loop_.post([self = shared_from_this()] {
    if (self->gone_ || self->held_ || self->in_batch_ || !self->open_) return;
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
    say_end();
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
  ++afar_->messages;
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
    on_collected(afar_->messages);
  }
  afar_->messages = 0;
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

void Link::end_within(milliseconds limit, std::function<void()> done) {
  if (gone_) return loop_.post(std::move(done));
  ended_ = std::move(done);
  end_timer_->expires_after(std::min<milliseconds>(limit, 24h));
  end_timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (!cancelled) self->destroy(Failure(errc::closed, "closed"));
  });
  hold(false);
}

void Link::drop() {
  dropped_ = true;
  ready_ = nullptr;
  destroy(Failure(errc::closed, "closed"));
}

void Link::destroy(Failure why) {
  if (std::exchange(gone_, true)) return;
  const std::shared_ptr<Link> alive = shared_from_this();
  open_ = false;
  timer_->cancel();
  end_timer_->cancel();
  wire_->close();
  writer_.clear();
  collect();
  on_end();
  release();
  if (ready_) std::exchange(ready_, nullptr)(&why);
  else if (!dropped_) on_gone(why);
  if (ended_) loop_.post(std::exchange(ended_, nullptr));
}

/// Others may hold this longer than the loop's context lasts: what hangs on that must not stay.
void Link::release() {
  if (!gone_ || pending_ != 0) return;
  // Later, because the caller may be the wire, or a message.
  loop_.post([self = shared_from_this()] {
    self->wire_.reset();
    self->timer_.reset();
    self->end_timer_.reset();
    self->in_.clear();
  });
}

}  // namespace ferry::net
