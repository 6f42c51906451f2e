#include "ferry/detail/client_core.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include "client_core_state.hpp"
#include "ferry/detail/clock.hpp"
#include "ferry/log.hpp"

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

}  // namespace ferry::detail
