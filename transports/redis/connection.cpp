#include "transports/redis/connection.hpp"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <asio/error.hpp>

#include "transports/common/net/error.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t read_bytes = 64 * 1024;
constexpr std::size_t fed_bytes = 16 * 1024;      // hiredis moves what is left of a piece after each kilobyte taken
constexpr std::uint32_t asked = 0;                // Expected::kind: its reply goes to the first of `answers_`
constexpr std::uint32_t pinged = ~std::uint32_t{0};

}  // namespace

/// What other threads leave here.
struct Connection::Afar {
  mutable std::mutex mutex;
  net::OutQueue out;
  std::vector<Expected> expected;
  bool posted = false;
  bool closed = false;   // the connection is gone
};

Connection::Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, std::unique_ptr<net::Wire> wire,
                       std::string name)
    : loop_(loop),
      access_(std::move(access)),
      wire_(std::move(wire)),
      name_(std::move(name)),
      timer_(loop.executor()),
      end_timer_(loop.executor()),
      writer_(access_->high_water_bytes),
      afar_(std::make_unique<Afar>()) {}

Connection::~Connection() = default;

// --- start ----------------------------------------------------------------------------------------------------------

void Connection::start(std::chrono::milliseconds limit, LogIn log_in, std::function<void(const Failure*)> ready) {
  ready_ = std::move(ready);
  log_in_ = std::move(log_in);
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
  send_log_in();
  read_more();
}

/// All of it at once; the last, a ping, shows whether the server takes commands at all.
void Connection::send_log_in() {
  const auto step = [this](std::string_view what, std::initializer_list<std::string_view> words) {
    std::string command;
    append_command(command, words);
    ++log_in_steps_;
    ask(command, [this, what](const Value& reply) { on_log_in(what, reply); });
  };
  const LogIn log_in = std::exchange(log_in_, {});
  const Credentials& who = log_in.credentials;
  if (who.given()) {
    if (who.username.empty()) step("AUTH", {"AUTH", who.password});
    else step("AUTH", {"AUTH", who.username, who.password});
  }
  if (!log_in.name.empty()) step("CLIENT SETNAME", {"CLIENT", "SETNAME", log_in.name});
  if (log_in.db != 0) step("SELECT", {"SELECT", std::to_string(log_in.db)});
  step("PING", {"PING"});
}

void Connection::on_log_in(std::string_view what, const Value& reply) {
  if (!ready_) return;
  // A user who may not ping is logged in all the same.
  const bool refused = reply.is(Value::Type::error) && !(what == "PING" && error_kind(reply.text) == RedisError::no_permission);
  if (refused) return destroy(refusal(what, reply.text));
  if (--log_in_steps_ != 0) return;
  timer_->cancel();
  ready(nullptr);
}

void Connection::ready(const Failure* failure) {
  if (ready_) std::exchange(ready_, nullptr)(failure);
}

// --- reading --------------------------------------------------------------------------------------------------------

void Connection::read_more() {
  if (reading_ || gone_ || held_ || !unfed_.empty()) return;
  if (!room_) room_ = std::make_unique_for_overwrite<char[]>(read_bytes);
  reading_ = true;
  ++pending_;
  wire_->async_read({room_.get(), read_bytes}, shared_from_this());
}

void Connection::on_read(const std::error_code& error, std::size_t bytes) {
  reading_ = false;
  --pending_;
  if (gone_) return release();
  if (error) {
    const std::string why = error == asio::error::eof ? "the server ended the connection" : net::reason(error);
    const std::error_code code = error == asio::error::eof ? make_error_code(errc::connection_lost) : net::plain(error);
    return destroy(Failure(code, "Connection closed: " + why));
  }
  heard_ = true;
  unfed_ = {room_.get(), bytes};
  process();
  read_more();
}

/// Hands on replies until there are no more, or until somebody holds us; then sends what that produced.
void Connection::process() {
  const std::shared_ptr<Connection> alive = shared_from_this();
  const std::shared_ptr<Connection> follower = follower_.lock();
  in_batch_ = true;
  if (follower) follower->in_batch_ = true;
  while (!gone_ && !held_) {
    const RespReader::Step step = reader_.next();
    if (step == RespReader::Step::reply) {
      take(reader_.reply());
    } else if (step == RespReader::Step::broken) {
      destroy(Failure(RedisError::protocol, "Connection closed: " + name_ + " does not speak Redis's protocol: " +
                                                std::string(reader_.error())));
    } else if (reader_.held() > access_->max_message_bytes) {
      destroy(Failure(errc::connection_lost, "Connection closed: a message is longer than maxMessageSize (" +
                                                 std::to_string(access_->max_message_bytes) + ")"));
    } else if (unfed_.empty()) {
      break;
    } else {
      reader_.feed(unfed_.substr(0, fed_bytes));
      unfed_.remove_prefix(std::min(fed_bytes, unfed_.size()));
    }
  }
  in_batch_ = false;
  if (!gone_) flush();
  if (!follower) return;
  follower->in_batch_ = false;
  if (!follower->out().empty()) follower->flush();
}

void Connection::take(const Value& reply) {
  if (take_published(reply)) return;
  if (expected_.empty()) {
    // A server that ends a connection may say why: "-ERR max number of clients reached".
    const std::string text = reply.is(Value::Type::error) ? std::string(reply.text) : "a reply to nothing";
    return destroy(Failure(errc::connection_lost, "Connection closed: " + name_ + " said: " + text));
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  if (expected.kind == asked) {
    const Answer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer(reply);
  }
  if (expected.kind == pinged) return;
  const bool demoted = reply.is(Value::Type::error) && ends_connection(error_kind(reply.text));
  if (user_ != nullptr) user_->on_reply(*this, expected, reply);
  if (demoted && !gone_) destroy(refusal("Connection closed", reply.text));
}

bool Connection::take_published(const Value& reply) {
  if (!reply.is(Value::Type::array) || (reply.number != 3 && reply.number != 4)) return false;
  Value::Iterator part = reply.begin();
  const bool by_pattern = reply.number == 4;
  if (part->text != (by_pattern ? "pmessage" : "message") || !part->is(Value::Type::string)) return false;
  ++part;
  const std::string_view pattern = by_pattern ? part->text : std::string_view();
  if (by_pattern) ++part;
  const std::string_view channel = part->text;
  ++part;
  if (user_ != nullptr) user_->on_published(*this, {pattern, channel, part->text, reader_.memory()});
  return true;
}

void Connection::hold(bool held) {
  if (std::exchange(held_, held) == held || held) return;
  continue_reading();
}

void Connection::continue_reading() {
  // Not from inside the call: whoever lifted the hold may be in the middle of a batch.
  loop_.post([self = shared_from_this()] {
    if (self->gone_ || self->held_ || self->in_batch_) return;
    self->process();
    self->read_more();
  });
}

// --- writing --------------------------------------------------------------------------------------------------------

void Connection::ask(std::string_view command, Answer answer) {
  if (gone_) return;
  answers_.push_back(std::move(answer));
  send(command, {asked, 0});
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
  collect();
  write_now();
  // What the server said before it hung up is still to be read: that says more than a broken pipe.
  const std::error_code error = writer_.error();
  if (error && (held_ || error.value() != EPIPE)) {
    return destroy(Failure(error, "Connection closed: " + net::reason(error)));
  }
  if (access_->max_send_bytes != 0 && out().bytes() > access_->max_send_bytes) {
    return destroy(Failure(errc::connection_lost,
                           "Connection closed: " + name_ + " does not read: " + std::to_string(out().bytes()) +
                               " bytes are queued for it, which exceeds maxSendBufferSize (" +
                               std::to_string(access_->max_send_bytes) + ")"));
  }
  judge_congestion();
  check_end();
}

bool Connection::send_from_afar(std::string_view head, std::string& payload, std::string_view tail, Expected expected) {
  const std::lock_guard lock(afar_->mutex);
  if (afar_->closed || (access_->max_send_bytes != 0 && afar_->out.bytes() > access_->max_send_bytes)) return false;
  afar_->out.append({}, head, payload, tail);
  afar_->expected.push_back(expected);
  if (std::exchange(afar_->posted, true)) return true;
  loop_.post([self = shared_from_this()] {
    if (self->gone_) self->collect();
    else self->flush();
  });
  return true;
}

std::size_t Connection::afar_bytes() const {
  const std::lock_guard lock(afar_->mutex);
  return afar_->out.bytes();
}

void Connection::collect() {
  const std::lock_guard lock(afar_->mutex);
  afar_->posted = false;
  if (gone_) {
    afar_->out.clear();
    afar_->closed = true;
  } else {
    out().splice(afar_->out);
    expected_.insert(expected_.end(), afar_->expected.begin(), afar_->expected.end());
  }
  afar_->expected.clear();
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

void Connection::watch(std::chrono::milliseconds interval, bool ping) {
  interval_ = interval;
  pings_ = ping;
  waiting_ = !ping;
  heard_ = true;
  if (interval_ > 0ms && !gone_) tick();
}

void Connection::tick() {
  if (waiting_ && !heard_ && !held_) {
    return destroy(Failure(RedisError::silent, "Connection closed: " + name_ + " was silent for " +
                                                   std::to_string(interval_.count()) + " ms (pingInterval)"));
  }
  if (pings_ && !held_) {
    std::string command;
    append_command(command, {"PING"});
    waiting_ = true;
    send(command, {pinged, 0});
  }
  heard_ = held_;   // a hold that ends until the next tick leaves too little time
  timer_->expires_after(interval_);
  timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (!cancelled && !self->gone_) self->tick();
  });
}

void Connection::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (gone_) return loop_.post(std::move(done));
  closed_ = std::move(done);
  closing_ = true;
  end_timer_->expires_after(std::min<std::chrono::milliseconds>(limit, 24h));
  end_timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (!cancelled) self->destroy(Failure(errc::closed, "closed"));
  });
  if (held_) hold(false);
  post_flush();   // and there `check_end`
}

/// Everything was sent, and the server has answered all of it.
void Connection::check_end() {
  if (!closing_ || gone_ || !out().empty() || !expected_.empty()) return;
  wire_->shutdown_send();
  destroy(Failure(errc::closed, "closed"));
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
  expected_.clear();
  collect();
  release();
  if (ready_) ready(&why);
  else if (user_ != nullptr) std::exchange(user_, nullptr)->on_gone(*this, why);
  if (closed_) loop_.post(std::exchange(closed_, nullptr));
}

/// Messages and answers may outlive the loop's context: what hangs on it must not stay.
void Connection::release() {
  if (!gone_ || pending_ != 0) return;
  // Later, because the caller may be the wire, or an answer.
  loop_.post([self = shared_from_this()] {
    self->answers_.clear();
    self->wire_.reset();
    self->timer_.reset();
    self->end_timer_.reset();
    self->room_.reset();
  });
}

}  // namespace ferry::redis
