#include "ferry/detail/client_core.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/detail/clock.hpp"
#include "ferry/log.hpp"
#include "in_flight.hpp"
#include "reconnect.hpp"
#include "request_id.hpp"
#include "resilience/client_policies.hpp"

namespace ferry::detail {
namespace {

using Clock = std::chrono::steady_clock;
using OutboundQueue = std::vector<OperationPtr>;

std::uint64_t random_number() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) ^ device();
}

/// Before what happened to it. A connection has no pattern.
std::string subject(const ClientSettings& settings, const Operation& op) {
  if (op.kind == Operation::Kind::connect) return "client " + settings.name + ": ";
  return "client " + settings.name + ", pattern " + op.message.pattern.route() + ": ";
}

constexpr std::string_view refused_by_circuit = "the circuit is open, for too many calls have failed";

/// By which it should have ended, or its attempt.
std::string limit_text(const Operation& op, Clock::time_point now, std::chrono::milliseconds attempt_timeout) {
  if (now < op.deadline) return " within " + std::to_string(attempt_timeout.count()) + " ms";
  if (op.deadline == op.message.not_after) return " before the deadline of what it is a part of";
  return " within " + std::to_string(op.message.timeout.count()) + " ms";
}

/// A value of a remote error as the `Failure` that `send` ends with.
Failure remote_failure(const spi::Serializer& serializer, std::string_view error) {
  auto text = serializer.to_json_text(error);
  Failure failure(errc::rejected, "", Fate::confirmed);
  failure.remote_body = text ? std::move(*text) : std::string("null");
  if (failure.remote_body == "\"There is no matching message handler defined in the remote service.\"") {
    failure.code = errc::no_handler;
  }
  return failure;
}

}  // namespace

// Touched on the loop only, but for what stands below the mutex.
struct ClientCore::State {
  State(const ClientSettings& settings, const asio::any_io_executor& executor, std::uint64_t seed)
      : table(settings.max_in_flight),
        reconnect(settings.reconnect, seed),
        ids(seed),
        deadline_timer(executor),
        reconnect_timer(executor) {}

  std::unique_ptr<spi::ClientTransport> transport;
  InFlight table;
  Reconnect reconnect;
  RequestIds ids;
  std::unique_ptr<ClientPolicies> policies;   // null: nothing is retried, counted or limited
  std::deque<std::uint64_t> waiting;   // keys of what waits for a connection, in order
  // What lives on the loop is gone once the client is closed: a handle may outlive the application and its loops.
  std::optional<asio::steady_timer> deadline_timer;
  std::optional<asio::steady_timer> reconnect_timer;
  Clock::time_point armed_until = Clock::time_point::max();
  std::size_t readers_held = 0;
  bool admission_posted = false;
  bool closing = false;

  std::mutex mutex;
  OutboundQueue queue;      // from other threads, in order; bounded by max_in_flight
  bool wake_up_posted = false;
  std::vector<StatusHandler> status_handlers;
  std::vector<ErrorHandler> error_handlers;
  std::vector<CircuitHandler> circuit_handlers;
};

ClientCore::ClientCore(ClientSettings settings, const spi::Transport& transport, spi::Loop& loop,
                       const spi::Serializer& serializer)
    : settings_(std::move(settings)),
      transport_(transport),
      loop_(loop),
      serializer_(serializer),
      state_(std::make_unique<State>(settings_, loop.executor(), random_number())) {
  if (settings_.resilience.any()) {
    state_->policies = std::make_unique<ClientPolicies>(settings_, counters_, random_number());
  }
}

ClientCore::~ClientCore() = default;

void ClientCore::attach(const MakeTransport& make) {
  state_->transport = make(*this);
  formats_ = state_->transport->formats();
}

const spi::Serializer& ClientCore::serializer_for(const Pattern& pattern) const {
  const spi::Serializer* own = formats_ ? formats_->find(pattern) : nullptr;
  return own == nullptr ? serializer_ : *own;
}

// ---- starting --------------------------------------------------------------------------------------------------------

void ClientCore::start(OperationPtr operation) {
  if (loop_.in_loop()) {
    admit(std::move(operation), true);
    return;
  }
  bool full = false;
  bool wake_up = false;
  {
    const std::lock_guard lock(state_->mutex);
    full = state_->queue.size() >= settings_.max_in_flight;
    if (!full) {
      state_->queue.push_back(operation);
      wake_up = !std::exchange(state_->wake_up_posted, true);
    }
  }
  if (full) {
    Failure failure(errc::overloaded, "client " + settings_.name + ": maxInFlight calls already wait to be sent",
                    Fate::not_sent);
    operation->on_done(&failure, true);
  } else if (wake_up) {
    loop_.post([self = shared_from_this()] { self->run_queue(); });
  }
}

void ClientCore::run_queue() {
  OutboundQueue batch;
  {
    const std::lock_guard lock(state_->mutex);
    batch.swap(state_->queue);
    state_->wake_up_posted = false;
  }
  for (OperationPtr& operation : batch) admit(std::move(operation), false);
  batch.clear();
  const std::lock_guard lock(state_->mutex);
  if (state_->queue.empty()) state_->queue.swap(batch);   // keeps its memory
}

void ClientCore::admit(OperationPtr operation, bool inside_call) {
  State& s = *state_;
  Operation& op = *operation.get();
  if (s.closing) return fail(op, errc::closed, "the client was closed", Fate::not_sent, inside_call);
  const auto key = s.table.add(&op, op.deadline);
  if (!key) {
    return fail(op, errc::overloaded, "maxInFlight (" + std::to_string(s.table.limit()) + ") calls are under way",
                Fate::not_sent, inside_call);
  }
  op.key = *key;
  operation.release_to_table();
  in_flight_.store(s.table.size(), std::memory_order_relaxed);
  arm_deadline();
  if (op.message.not_after != Clock::time_point::max() && op.message.not_after <= Clock::now()) {
    return fail(op, errc::timed_out, "the deadline of what it is a part of had passed", Fate::not_sent, inside_call);
  }
  if (op.message.attempts > 1 && !s.policies) {
    s.policies = std::make_unique<ClientPolicies>(settings_, counters_, random_number());
  }
  if (s.policies && op.kind != Operation::Kind::connect) return enter(op, inside_call);
  dispatch(op, inside_call);
}

void ClientCore::dispatch(Operation& op, bool inside_call) {
  State& s = *state_;
  if (s.reconnect.state() == Reconnect::State::connected) {
    if (op.kind == Operation::Kind::connect) return finish(op, nullptr, inside_call);
    return transmit(op, inside_call);
  }
  if (s.waiting.size() > 2 * s.table.size()) {   // what has ended while it waited
    std::erase_if(s.waiting, [&s](std::uint64_t waiting) { return s.table.find(waiting) == nullptr; });
  }
  s.waiting.push_back(op.key);
  if (s.reconnect.wanted()) connect();
}

void ClientCore::transmit(Operation& op, bool inside_call) {
  const RequestIds::Text id = state_->ids.text(op.key);
  spi::OutgoingMessage message;
  message.pattern = &op.message.pattern;
  message.has_payload = op.message.has_payload;
  message.payload = state_->policies ? state_->policies->payload_of(op) : &op.message.payload;
  message.headers = &op.message.headers;
  if (!op.message.record.is_null()) {
    if (!settings_.promises.record_options) {
      return fail(op, errc::unsupported, "this transport knows no options of single messages (SendOptions::record)",
                  Fate::not_sent, inside_call);
    }
    message.record = &op.message.record;
  }
  message.deadline = op.deadline;
  if (state_->policies) {
    message.deadline = state_->policies->attempt_deadline(op, Clock::now());
    if (message.deadline != op.deadline) {
      state_->table.set_deadline(op.key, message.deadline);
      arm_deadline();
    }
  }
  message.reply_stream = op.takes_stream();
  message.request_stream = op.kind == Operation::Kind::duplex;
  if (message.request_stream && !settings_.promises.request_streams) {
    return fail(op, errc::unsupported, "this transport carries no streams of requests", Fate::not_sent, inside_call);
  }
  op.transmitted = true;
  Failure failure;
  bool taken = false;
  if (op.kind == Operation::Kind::event) {
    taken = state_->transport->emit(message, op.key, failure);
  } else {
    message.id = {id.data(), id.size()};
    taken = state_->transport->request(message, failure);
  }
  if (!taken) return finish(op, &failure, inside_call);
  if (message.request_stream) op.on_writable();
}

bool ClientCore::write(Operation& op, std::string* payload) {
  if (op.key == 0) return true;
  const RequestIds::Text text = state_->ids.text(op.key);
  const std::string_view id(text.data(), text.size());
  spi::ClientTransport& transport = *state_->transport;
  if (!transport.writable(id)) return false;
  progressed(op);
  if (payload == nullptr) return transport.end_writes(id), true;
  Failure failure;
  if (!transport.write(id, *payload, failure)) {
    const OperationPtr keep(&op);
    finish(op, &failure);
    transport.cancel(id);
  }
  return true;
}

// ---- retries, circuit breaker, limit ---------------------------------------------------------------------------------

/// An attempt is to begin: the first or another.
void ClientCore::enter(Operation& op, bool inside_call) {
  ClientPolicies& policies = *state_->policies;
  const ClientPolicies::Entry entry = policies.enter(op, coarse_now());
  circuit_may_have_changed();
  switch (entry) {
    case ClientPolicies::Entry::go: return dispatch(op, inside_call);
    case ClientPolicies::Entry::wait: return;
    case ClientPolicies::Entry::circuit_open:
      return fail(op, errc::circuit_open, refused_by_circuit, Fate::not_sent, inside_call);
    case ClientPolicies::Entry::queue_full: break;
  }
  fail(op, errc::overloaded, std::to_string(policies.limit().concurrent) + " requests are under way and " +
                                 std::to_string(policies.limit().queue) + " wait (limit)", Fate::not_sent, inside_call);
}

/// Those that waited for a place. Not from inside what has made one, which may be a call of the user's.
void ClientCore::admit_queued() {
  State& s = *state_;
  s.admission_posted = false;
  if (s.closing) return;
  for (std::size_t most = s.policies->queued(); most > 0; --most) {   // those that join meanwhile have the next turn
    const auto key = s.policies->next_queued();
    if (!key) return;
    const OperationPtr op(s.table.find(*key));
    const ClientPolicies::Entry entry = s.policies->go_on(*op.get(), coarse_now());
    circuit_may_have_changed();
    if (entry == ClientPolicies::Entry::go) {
      dispatch(*op.get(), false);
    } else {
      fail(*op.get(), errc::circuit_open, refused_by_circuit, Fate::not_sent);
    }
  }
}

/// Its attempt has ended, with a failure unless null. True: there will be another, so that it is still under way.
bool ClientCore::tried_again(Operation& op, Failure* failure) {
  State& s = *state_;
  s.policies->ended(op, failure, coarse_now());
  circuit_may_have_changed();
  if (s.policies->someone_may_go_on() && !std::exchange(s.admission_posted, true)) {
    loop_.post([self = shared_from_this()] { self->admit_queued(); });
  }
  if (failure == nullptr) return false;
  if (failure->fate == Fate::not_sent) failure->fate = op.course.past;
  const auto now = Clock::now();
  std::string detail;
  const auto delay = s.closing ? std::nullopt : s.policies->retry(op, *failure, now, detail);
  if (!delay) {
    if (op.course.attempts > 1 && !failure->detail.empty()) {
      failure->detail += " (attempt " + std::to_string(op.course.attempts) + " of " +
                         std::to_string(s.policies->attempts(op)) + ")";
    }
    if (!failure->detail.empty()) failure->detail += detail;
    return false;
  }
  op.course.past = failure->fate;
  op.course.stage = Course::Stage::backing_off;
  op.transmitted = false;
  // Another key: what still comes for the attempt that failed belongs to nobody.
  s.table.remove(op.key);
  op.key = *s.table.add(&op, now + *delay);
  arm_deadline();
  return true;
}

void ClientCore::circuit_may_have_changed() {
  const Circuit now = state_->policies->circuit();
  const Circuit before = circuit_.exchange(now, std::memory_order_relaxed);
  if (now == before) return;
  const CircuitEvent event{now, state_->policies->circuit_detail(before)};
  if (now == Circuit::open) counters_.circuit_openings.fetch_add(1, std::memory_order_relaxed);
  const LogLevel level = before == Circuit::closed ? LogLevel::warn : LogLevel::info;
  log(level, "client " + settings_.name, "circuit " + std::string(to_string(now)) + ": " + event.detail);
  std::vector<CircuitHandler> handlers;
  {
    const std::lock_guard lock(state_->mutex);
    handlers = state_->circuit_handlers;
  }
  if (handlers.empty()) return;
  loop_.post([handlers = std::move(handlers), event] {   // not inside the call that was refused, or ended
    for (const CircuitHandler& handler : handlers) handler(event);
  });
}

// ---- ending ----------------------------------------------------------------------------------------------------------

void ClientCore::finish(Operation& op, Failure* failure, bool inside_call) {
  if (op.key == 0) {
    op.on_done(failure, inside_call);
    return;
  }
  if (state_->policies && tried_again(op, failure)) return;
  state_->table.remove(op.key);
  op.key = 0;
  in_flight_.store(state_->table.size(), std::memory_order_relaxed);
  release_reading(op);
  const OperationPtr last = OperationPtr::take_from_table(&op);
  op.on_done(failure, inside_call);
}

void ClientCore::fail(Operation& op, errc code, std::string_view what, Fate fate, bool inside_call) {
  Failure failure(code, subject(settings_, op), fate);
  failure.detail.append(what);
  finish(op, &failure, inside_call);
}

void ClientCore::fail_all(const std::error_code& code, const std::string& why) {
  // A copy: completions may start new calls, which must not be ended by this.
  std::vector<OperationPtr> ending;
  for (Operation* op : state_->table.all()) {
    // What waits for a place or for its next attempt has nothing to do with the connection.
    const bool waits = op->course.stage == Course::Stage::queued || op->course.stage == Course::Stage::backing_off;
    if (!waits || state_->closing) ending.emplace_back(op);
  }
  state_->waiting.clear();
  for (const OperationPtr& op : ending) {
    if (op->key == 0) continue;
    Failure failure(code, subject(settings_, *op.get()) + why,
                    op->transmitted ? Fate::unknown : Fate::not_sent);
    finish(*op.get(), &failure);
  }
}

void ClientCore::cancel(OperationPtr operation) {
  if (!loop_.in_loop()) {
    loop_.post([self = shared_from_this(), operation = std::move(operation)]() mutable { self->cancel(std::move(operation)); });
    return;
  }
  run_queue();   // it may still be among what other threads sent
  if (operation->key == 0) return;
  const std::uint64_t key = operation->key;
  const bool tell_peer = operation->transmitted && operation->kind != Operation::Kind::event;
  fail(*operation.get(), errc::cancelled, "cancelled by the caller", operation->transmitted ? Fate::unknown : Fate::not_sent);
  const RequestIds::Text id = state_->ids.text(key);
  if (tell_peer) state_->transport->cancel({id.data(), id.size()});
}

void ClientCore::on_reply(const spi::ReplyView& reply) {
  const std::uint64_t key = state_->ids.key(reply.id);
  OperationPtr op(key == 0 ? nullptr : state_->table.find(key));
  if (!op || op->kind == Operation::Kind::event) {
    counters_.late_replies.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  Failure failure;
  if (reply.failed) {
    failure = remote_failure(serializer_, reply.error);
    return finish(*op.get(), &failure);
  }
  if (state_->policies && !op->course.answered && (reply.has_value || reply.last)) {
    op->course.answered = true;
    state_->policies->answered(*op.get(), coarse_now());
    circuit_may_have_changed();
  }
  const spi::Serializer& serializer = reply.serializer != nullptr ? *reply.serializer : serializer_;
  if (reply.has_value && !op->on_value(serializer, reply.value, reply.serializer != nullptr || !reply.value.empty(), failure)) {
    finish(*op.get(), &failure);
    if (!reply.last) state_->transport->cancel(reply.id);
    return;
  }
  if (reply.last) return finish(*op.get(), nullptr);
  if (op->takes_stream() && op->key != 0) {
    progressed(*op.get());
    if (op->full()) hold_reading(*op.get());
  }
}

/// A stream's limit is on the wait for its next value, and for the next it can write.
void ClientCore::progressed(Operation& op) {
  op.deadline = deadline_of(op.message);
  state_->table.set_deadline(op.key, op.deadline);
}

void ClientCore::on_writable(std::string_view id) {
  const std::uint64_t key = state_->ids.key(id);
  const OperationPtr op(key == 0 ? nullptr : state_->table.find(key));
  if (op) op->on_writable();
}

void ClientCore::on_request_failed(std::string_view id, const Failure& failure) {
  const std::uint64_t key = state_->ids.key(id);
  OperationPtr op(key == 0 ? nullptr : state_->table.find(key));
  if (!op || op->kind == Operation::Kind::event) return;
  Failure copy = failure;
  copy.detail = subject(settings_, *op.get()) + failure.detail;
  finish(*op.get(), &copy);
}

void ClientCore::on_emitted(spi::EmitToken token, const Failure* failure) {
  OperationPtr op(state_->table.find(token));
  if (!op) return;
  Failure copy = failure != nullptr ? *failure : Failure();
  finish(*op.get(), failure != nullptr ? &copy : nullptr);
}

// ---- deadlines -------------------------------------------------------------------------------------------------------

void ClientCore::arm_deadline() {
  const auto next = state_->table.next_deadline();
  if (!next || *next >= state_->armed_until) return;   // the timer wakes early enough; what has ended meanwhile costs nothing
  state_->armed_until = *next;
  state_->deadline_timer->expires_at(*next);
  state_->deadline_timer->async_wait([self = shared_from_this()](std::error_code error) {
    if (!error) self->deadline_passed();
  });
}

void ClientCore::deadline_passed() {
  state_->armed_until = Clock::time_point::max();
  const auto now = Clock::now();
  while (Operation* expired = state_->table.expired(now)) {
    const OperationPtr op(expired);
    if (op->course.stage == Course::Stage::backing_off && now < op->deadline) {
      state_->table.set_deadline(op->key, op->deadline);
      enter(*op.get(), false);
      continue;
    }
    const std::uint64_t key = op->key;
    const bool tell_peer = op->transmitted && op->kind != Operation::Kind::event;
    counters_.timeouts.fetch_add(1, std::memory_order_relaxed);
    const auto attempt_timeout = state_->policies ? state_->policies->attempt_timeout() : std::chrono::milliseconds(0);
    const std::string limit = limit_text(*op.get(), now, attempt_timeout);
    if (op->holds_reading) {
      fail(*op.get(), errc::overloaded, "the stream's values were not taken" + limit, Fate::unknown);
    } else if (!op->transmitted) {
      const bool queued = op->course.stage == Course::Stage::queued;
      fail(*op.get(), errc::timed_out,
           "not sent" + limit + (queued ? ": as many requests as may be were under way (limit)" : ": no connection"),
           Fate::not_sent);
    } else {
      const bool event = op->kind == Operation::Kind::event;
      fail(*op.get(), errc::timed_out, (event ? "not taken" : "no reply") + limit, Fate::unknown);
    }
    const RequestIds::Text id = state_->ids.text(key);
    if (tell_peer && state_->transport) state_->transport->cancel({id.data(), id.size()});
  }
  arm_deadline();
}

// ---- streams that are not consumed -----------------------------------------------------------------------------------

void ClientCore::hold_reading(Operation& op) {
  if (std::exchange(op.holds_reading, true)) return;
  const RequestIds::Text id = state_->ids.text(op.key);
  op.holds_others = !state_->transport->hold({id.data(), id.size()}, true);
  if (op.holds_others && state_->readers_held++ == 0) state_->transport->pause();
}

void ClientCore::release_reading(Operation& op) {
  if (!std::exchange(op.holds_reading, false)) return;
  if (std::exchange(op.holds_others, false)) {
    if (--state_->readers_held == 0) state_->transport->resume();
  } else if (op.key != 0) {
    const RequestIds::Text id = state_->ids.text(op.key);
    state_->transport->hold({id.data(), id.size()}, false);
  }
}

void ClientCore::drained(OperationPtr operation) {
  if (!loop_.in_loop()) {
    loop_.post([self = shared_from_this(), operation = std::move(operation)] { self->drained(operation); });
    return;
  }
  if (operation->holds_reading && operation->key != 0) progressed(*operation.get());
  release_reading(*operation.get());
}

// ---- connecting ------------------------------------------------------------------------------------------------------

void ClientCore::connect() {
  set_status(counters_.connects.load(std::memory_order_relaxed) == 0 ? Status::connecting : Status::reconnecting, "");
  state_->transport->connect();
}

void ClientCore::on_connected(std::string_view peer) {
  if (state_->closing) return;
  state_->reconnect.connected();
  counters_.connects.fetch_add(1, std::memory_order_relaxed);
  set_status(Status::connected, std::string(peer));
  std::deque<std::uint64_t> waiting;
  waiting.swap(state_->waiting);
  for (const std::uint64_t key : waiting) {
    const OperationPtr op(state_->table.find(key));
    if (!op) continue;   // ended while it waited
    if (op->kind == Operation::Kind::connect) {
      finish(*op.get(), nullptr);
    } else {
      transmit(*op.get(), false);
    }
  }
}

void ClientCore::on_disconnected(Failure why) {
  if (state_->closing) return;
  const bool was_connected = state_->reconnect.state() == Reconnect::State::connected;
  const auto delay = state_->reconnect.lost();
  set_status(Status::disconnected, why.detail);
  if (delay) connect_after(*delay, why.detail);
  if (was_connected) {
    fail_all(why.code == errc::connection_lost ? why.code : make_error_code(errc::connection_lost), why.detail);
  } else if (!delay || !waits_offline()) {
    fail_all(why.code == errc::not_connected ? why.code : make_error_code(errc::not_connected), why.detail);
  }
}

bool ClientCore::waits_offline() const {
  const bool was_there = counters_.connects.load(std::memory_order_relaxed) != 0;
  return settings_.offline_queue.value_or(settings_.promises.broker && was_there);
}

void ClientCore::connect_after(std::chrono::milliseconds delay, const std::string& why) {
  set_status(Status::reconnecting, "next attempt in " + std::to_string(delay.count()) + " ms: " + why);
  state_->reconnect_timer->expires_after(delay);
  state_->reconnect_timer->async_wait([self = shared_from_this()](std::error_code error) {
    if (!error && self->state_->reconnect.due()) self->connect();
  });
}

// ---- the rest --------------------------------------------------------------------------------------------------------

void ClientCore::close(std::chrono::milliseconds limit, std::function<void()> done) {
  loop_.post([self = shared_from_this(), limit, done = std::move(done)]() mutable {
    self->run_queue();
    State& s = *self->state_;
    if (std::exchange(s.closing, true)) return done();
    // A broker does not tell services that their caller has gone.
    if (self->settings_.promises.broker && s.reconnect.state() == Reconnect::State::connected) {
      for (const Operation* op : s.table.all()) {
        if (!op->transmitted || op->kind == Operation::Kind::event) continue;
        const RequestIds::Text id = s.ids.text(op->key);
        s.transport->cancel({id.data(), id.size()});
      }
    }
    s.reconnect.close();
    s.deadline_timer->cancel();
    s.reconnect_timer->cancel();
    self->fail_all(make_error_code(errc::closed), "the client was closed");
    s.transport->close(limit, [self, done = std::move(done)]() mutable {
      self->loop_.post([self, done = std::move(done)] {   // not inside a call of the transport's
        self->state_->transport.reset();
        self->state_->deadline_timer.reset();
        self->state_->reconnect_timer.reset();
        self->set_status(Status::closed, "");
        done();
      });
    });
  });
}

void ClientCore::on_status_change(StatusHandler handler) {
  const std::lock_guard lock(state_->mutex);
  state_->status_handlers.push_back(std::move(handler));
}

void ClientCore::on_error(ErrorHandler handler) {
  const std::lock_guard lock(state_->mutex);
  state_->error_handlers.push_back(std::move(handler));
}

void ClientCore::on_circuit_change(CircuitHandler handler) {
  const std::lock_guard lock(state_->mutex);
  state_->circuit_handlers.push_back(std::move(handler));
}

void ClientCore::set_status(Status status, std::string detail) {
  status_.store(status, std::memory_order_relaxed);
  if (log_enabled(LogLevel::debug)) {
    log(LogLevel::debug, "client " + settings_.name, std::string(to_string(status)) + (detail.empty() ? "" : ": ") + detail);
  }
  std::vector<StatusHandler> handlers;
  {
    const std::lock_guard lock(state_->mutex);
    handlers = state_->status_handlers;
  }
  const StatusEvent event{status, std::move(detail)};
  for (const StatusHandler& handler : handlers) handler(event);
}

void ClientCore::on_status(StatusEvent event) { set_status(event.status, std::move(event.detail)); }

void ClientCore::on_error(const Failure& failure) {
  std::vector<ErrorHandler> handlers;
  {
    const std::lock_guard lock(state_->mutex);
    handlers = state_->error_handlers;
  }
  if (handlers.empty()) log(LogLevel::warn, "client " + settings_.name, failure.detail);
  for (const ErrorHandler& handler : handlers) handler(failure);
}

spi::NativeHandle ClientCore::native() { return state_->transport ? state_->transport->native() : spi::NativeHandle(); }

}  // namespace ferry::detail
