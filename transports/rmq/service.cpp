// The life of a service: its connection, what it declares there, its end. What it does with messages is in messages.cpp.

#include "transports/rmq/service.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/extension.hpp"
#include "transports/rmq/error.hpp"

namespace ferry::rmq {

using namespace std::chrono_literals;

Service::Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink)
    : loop_(*environment.loop),
      serializer_(*environment.serializer),
      sink_(sink),
      settings_(server_settings(environment)),
      access_(std::make_shared<const Access>(settings_.access)),
      extensions_(environment.extensions),
      live_(std::make_shared<transports::LiveDeliveries>(*environment.loop)) {}

Service::~Service() = default;

// --- connecting -----------------------------------------------------------------------------------------------------

void Service::listen(std::vector<spi::Subscription> subscriptions, Done done) {
  drop_connection();
  subscriptions_ = std::move(subscriptions);
  topics_ = {};
  for (const spi::Subscription& each : subscriptions_) topics_.add(each.route);
  done_ = std::move(done);
  connector_ = std::make_shared<Connector>(
      loop_, access_, attempts_++,
      [this](const Failure* failure, std::shared_ptr<Connection> connection) {   // not called any more once this is shut
        connector_.reset();
        if (failure != nullptr) return std::exchange(done_, nullptr)(failure);
        connection_ = std::move(connection);
        connection_->set_user(this);
        connected();
      });
  loop_.post([connector = connector_] { connector->start(); });
}

void Service::connected() {
  ++connection_number_;
  copies_.reset();
  {
    const std::lock_guard lock(mutex_);
    shared_connection_ = connection_;
  }
  endpoint_ = connection_->name();
  if (extensions_) set_up_cancels();
  else set_up_work();
}

/// Where clients say that they wait no longer. A broker that does not allow it harms nothing else.
void Service::set_up_cancels() {
  const std::string exchange(extension::cancel_pattern);
  cancels_setup_ = std::make_unique<Setup>(*connection_);
  cancels_setup_->open(cancels);
  cancels_setup_->declare_exchange(cancels, exchange, "fanout", nlohmann::json::object());
  cancels_setup_->declare_queue(cancels, "", false, true, true, nlohmann::json::object());
  cancels_setup_->bind(cancels, "", exchange, "");
  cancels_setup_->consume(cancels, "", "", true);
  cancels_setup_->run([this] { set_up_work(); });
}

/// In NestJS's order.
void Service::set_up_work() {
  const Topology& t = settings_.topology;
  setup_ = std::make_unique<Setup>(*connection_);
  setup_->open(work);
  if (t.declare_queue) setup_->declare_queue(work, t.queue, t.durable, t.exclusive, t.auto_delete, t.queue_arguments);
  if (!t.exchange.empty()) {
    setup_->declare_exchange(work, t.exchange, t.exchange_type, t.exchange_arguments);
    if (t.fanout()) setup_->bind(work, t.queue, t.exchange, "");
    else if (t.routing_key) setup_->bind(work, t.queue, t.exchange, *t.routing_key);
    else if (t.exchange_type == "headers") setup_->bind(work, t.queue, t.exchange, "", t.exchange_arguments);
    for (const spi::Subscription& each : subscriptions_) {
      if (t.wildcards) setup_->bind(work, t.queue, t.exchange, each.route);
    }
  }
  if (settings_.retry) {
    const RetrySettings& retry = *settings_.retry;
    setup_->open(copies);
    setup_->confirms(copies);
    // What expires there comes back.
    setup_->declare_queue(copies, retry.retry_queue, true, false, false,
                          {{"x-dead-letter-exchange", ""}, {"x-dead-letter-routing-key", t.queue}});
    if (!retry.dead_letter_queue.empty()) {
      setup_->declare_queue(copies, retry.dead_letter_queue, true, false, false, nlohmann::json::object());
    }
  }
  setup_->qos(work, t.prefetch, t.global_prefetch);
  setup_->consume(work, t.queue, settings_.consumer_tag, settings_.no_ack);
  setup_->run([this] { listening(); });
}

void Service::listening() {
  listening_ = true;
  apply_hold();
  if (done_) std::exchange(done_, nullptr)(nullptr);
}

void Service::on_channel_closed(Connection& connection, std::uint16_t channel, const Failure& why) {
  Failure failure = why;
  if (channel != cancels) {
    if (setup_ && !setup_->over()) failure.detail = setup_->what() + ": " + failure.detail;
    return connection.destroy(std::move(failure));
  }
  failure.detail = "this service does not hear of cancelled calls: " + failure.detail;
  report(failure);
  if (!listening_ && !setup_) set_up_work();
}

void Service::on_blocked(Connection&, bool blocked, std::string_view reason) {
  if (silent() || draining_ || !listening_) return;
  if (blocked) sink_.on_status({Status::blocked, std::string(reason)});
  else sink_.on_status({Status::connected, endpoint_});
}

void Service::on_gone(Connection&, const Failure& why) { lost(why); }

void Service::lost(const Failure& why) {
  if (!connection_) return;
  const Failure failure = why;   // the connection's own goes with it
  drop_connection();
  drained();
  if (closed_) return loop_.post(std::exchange(closed_, nullptr));
  if (done_) return std::exchange(done_, nullptr)(&failure);
  if (!silent()) sink_.on_disconnected(failure);
}

void Service::drop_connection() {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  congested_ = false;
  listening_ = false;
  if (!connection_) return;
  {
    const std::lock_guard lock(mutex_);
    shared_connection_.reset();
  }
  const auto connection = std::exchange(connection_, nullptr);   // it may be what calls us
  connection->drop();
  copies_.reset();
  for (const auto& ready : std::exchange(writers_, {})) ready();
}

spi::NativeHandle Service::native() noexcept {
  net::Socket* const socket = connection_ ? connection_->socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

// --- pushing back ---------------------------------------------------------------------------------------------------

void Service::hold(bool held) {
  held_ = held;
  apply_hold();
}

void Service::apply_hold() {
  if (listening_ && connection_) connection_->hold((held_ || congested_) && !draining_);
}

void Service::on_relieved(Connection&) {
  if (std::exchange(congested_, false)) apply_hold();
  for (const auto& ready : std::exchange(writers_, {})) ready();
}

bool Service::writable() const {
  const std::lock_guard lock(mutex_);
  return !shared_connection_ || (!shared_connection_->congested() && left_bytes_ <= access_->high_water_bytes);
}

void Service::when_writable(std::function<void()> ready) {
  loop_.post([self = shared_from_this(), ready = std::move(ready)]() mutable {
    if (self->connection_ && self->connection_->congested()) self->writers_.push_back(std::move(ready));
    else ready();
  });
}

// --- the end --------------------------------------------------------------------------------------------------------

/// Ends the consumer; the broker's answer comes after the last message.
void Service::drain(std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  done_ = nullptr;
  if (!listening_) return loop_.post([self = shared_from_this()] { self->drained(); });
  connection_->send(work, AMQP_BASIC_CANCEL_METHOD, amqp_basic_cancel_t{bytes_of(setup_->consumer_tag()), 0});
  connection_->hold(false);
}

void Service::drained() {
  if (drained_) std::exchange(drained_, nullptr)();
}

void Service::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  done_ = nullptr;
  if (drained_) loop_.post(std::exchange(drained_, nullptr));
  auto closed = [self = shared_from_this(), done = std::move(done)] {
    self->shut();
    done();
  };
  do_what_was_left();
  if (!connection_) return loop_.post(std::move(closed));
  closed_ = std::move(closed);
  silent_.store(true, std::memory_order_release);
  if (copies_.size() == 0) return close_now(limit);
  // What was copied to another queue is acknowledged first: else both would be there.
  close_timer_.emplace(loop_.executor(), std::min<std::chrono::milliseconds>(limit, 24h));
  close_timer_->async_wait([self = shared_from_this()](const std::error_code& cancelled) {
    if (!cancelled) self->close_now(0ms);
  });
}

void Service::close_now(std::chrono::milliseconds limit) {
  if (close_timer_) close_timer_->cancel();
  if (!closed_ || !connection_) return;
  connection_->close(limit, std::exchange(closed_, nullptr));
}

void Service::shut() {
  silent_.store(true, std::memory_order_release);
  done_ = nullptr;
  drop_connection();
  close_timer_.reset();
  live_->close();
}

void Service::report(const Failure& failure) const {
  if (!silent()) sink_.on_error(failure);
}

}  // namespace ferry::rmq
