// Connecting and coming back, closing, and what is told of both.

#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "client_core_state.hpp"
#include "ferry/log.hpp"

namespace ferry::detail {

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
