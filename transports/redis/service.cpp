#include "transports/redis/service.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/extension.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

bool carries_payload(spi::ReplyKind kind) {
  return kind == spi::ReplyKind::item || kind == spi::ReplyKind::last_item || kind == spi::ReplyKind::error;
}

}  // namespace

Service::Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings,
                 std::size_t connections)
    : loop_(*environment.loop),
      serializer_(*environment.serializer),
      sink_(sink),
      settings_(std::move(settings)),
      access_(std::make_shared<const Access>(settings_.access)),
      connection_count_(connections),
      extensions_(environment.extensions),
      live_(std::make_shared<transports::LiveDeliveries>(*environment.loop)) {}

Service::~Service() = default;

// --- connections ----------------------------------------------------------------------------------------------------

void Service::listen(std::vector<spi::Subscription> subscriptions, Done done) {
  drop_connections();
  subscriptions_ = std::move(subscriptions);
  done_ = std::move(done);
  connector_ = std::make_shared<Connector>(
      loop_, access_, connection_count_, attempts_++,
      [this](const Failure* failure, Connections connections) {   // not called any more once this is shut
        connector_.reset();
        if (failure != nullptr) return std::exchange(done_, nullptr)(failure);
        connections_ = std::move(connections);
        for (const auto& connection : connections_) {
          connection->set_user(this);
          if (connection != connections_.front()) connection->lead(connections_.front());
        }
        {
          const std::lock_guard lock(mutex_);
          shared_commands_ = connections_.front();
        }
        connections_.front()->expect_from_afar(replied);
        endpoint_ = connections_.front()->name();
        on_connections();
      });
  loop_.post([connector = connector_] { connector->start(); });
}

void Service::listening() {
  apply_hold();
  if (done_) std::exchange(done_, nullptr)(nullptr);
}

void Service::subscribe(std::string_view command, const std::string& channel) {
  std::string text;
  append_command(text, {command, channel});
  ++unconfirmed_;
  subscriber().send(text, {subscribed, 0});
}

void Service::on_reply(Connection&, const Expected& expected, const Value& reply) {
  if (reply.is(Value::Type::error)) {
    const Failure failure = refusal(expected.kind == subscribed ? "SUBSCRIBE" : "PUBLISH of a reply", reply.text);
    if (expected.kind == subscribed) return lost(failure);
    return report(failure);
  }
  if (expected.kind == subscribed && --unconfirmed_ == 0) listening();
}

void Service::on_gone(Connection&, const Failure& why) { lost(why); }

void Service::lost(const Failure& why) {
  if (connections_.empty()) return;
  const Failure failure = why;   // a connection's own goes with it
  drop_connections();
  if (done_) return std::exchange(done_, nullptr)(&failure);
  if (!silent_.load(std::memory_order_acquire)) sink_.on_disconnected(failure);
}

void Service::drop_connections() {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  unconfirmed_ = 0;
  congested_ = false;
  if (connections_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    shared_commands_.reset();
  }
  for (const auto& connection : std::exchange(connections_, {})) connection->drop();
  on_lost();
  wake_writers();
}

std::string Service::endpoint() const { return endpoint_; }

spi::NativeHandle Service::native() noexcept {
  net::Socket* socket = connected() ? commands().socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

void Service::hold(bool held) {
  held_ = held;
  if (connected()) apply_hold();
}

void Service::on_relieved(Connection& connection) {
  if (!connected() || &connection != &commands()) return;
  if (std::exchange(congested_, false)) apply_hold();
  wake_writers();
}

void Service::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  done_ = nullptr;
  auto closed = [self = shared_from_this(), done = std::move(done)] {
    self->shut();
    done();
  };
  if (!connected()) return loop_.post(std::move(closed));
  for (std::size_t i = 1; i < connections_.size(); ++i) connections_[i]->drop();
  commands().set_user(nullptr);
  commands().close(limit, std::move(closed));
}

void Service::shut() {
  silent_.store(true, std::memory_order_release);
  done_ = nullptr;
  drop_connections();
  live_->close();
}

void Service::report(const Failure& failure) const {
  if (!silent_.load(std::memory_order_acquire)) sink_.on_error(failure);
}

// --- messages -------------------------------------------------------------------------------------------------------

void Service::deliver(spi::DeliveryPtr owner, RedisDelivery& delivery, bool from_ferry) {
  if (delivery.expects_reply() && extensions_) {
    if (from_ferry) delivery.enlist();
    else if (!delivery.view().headers.empty()) meet(delivery);
  }
  if (!silent_.load(std::memory_order_relaxed)) sink_.on_message(std::move(owner));
}

/// A request that carries one of our headers comes from a ferry peer, who may cancel it.
void Service::meet(RedisDelivery& delivery) {
  const std::string_view raw = delivery.view().headers;
  extension::TimeoutNotice notice;
  notice.read(serializer_, raw);
  if (notice.value() != extension::TimeoutNotice::none) {
    delivery.set_deadline(std::chrono::steady_clock::now() + notice.value());
    delivery.enlist();
  } else if (extension::find_header(serializer_, raw, extension::timeout_header)) {
    delivery.enlist();   // its caller waits for ever
  } else if (extension::find_header(serializer_, raw, extension::peer_header)) {
    std::string nothing;
    std::string head;
    std::string tail;
    serializer_.write_reply({spi::ReplyKind::end, extension::raw_id(serializer_, extension::hello_id)}, head, tail);
    publish(delivery.reply_channel().empty() ? std::string(delivery.channel_view()) + ".reply"
                                             : std::string(delivery.reply_channel()),
            head, nothing, tail);
    delivery.enlist();
  }
}

bool Service::take_cancel(std::string_view channel, std::string_view body) {
  if (!extensions_ || channel != extension::cancel_pattern) return false;
  spi::RequestView view;
  if (serializer_.read_request(body, view) == nullptr && view.has_payload) live_->give_up(view.payload);
  return true;
}

// --- replies --------------------------------------------------------------------------------------------------------

void Service::reply(RedisDelivery& delivery, spi::ReplyKind kind, std::string& payload) {
  std::string none;
  std::string& body = carries_payload(kind) ? payload : none;
  const spi::ReplyEnvelope envelope{kind, delivery.view().id};
  const std::string_view channel = delivery.reply_channel().empty() ? delivery.channel_view() : delivery.reply_channel();
  const bool suffix = delivery.reply_channel().empty();
  const auto write = [&](std::string& head, std::string& tail, std::string& command) {
    serializer_.write_reply(envelope, head, tail);
    append_publish(command, channel, suffix ? ".reply" : "", head.size() + body.size() + tail.size());
    tail.append("\r\n");
  };
  if (loop_.in_loop()) {
    if (!connected()) return delivery.lose_reply();
    head_.clear();
    tail_.clear();
    command_.clear();
    write(head_, tail_, command_);
    commands().out().append(command_, head_, body, tail_);
    commands().expect({replied, 0});
    if (!congested_ && commands().congested()) {
      congested_ = true;
      apply_hold();
    }
    return;
  }
  const std::shared_ptr<Connection> connection = any_thread_commands();
  std::string head;
  std::string tail;
  std::string command;
  write(head, tail, command);
  command += head;
  if (!connection || !connection->send_from_afar(command, body, tail)) delivery.lose_reply();
}

bool Service::publish(std::string_view channel, std::string_view head, std::string& payload, std::string_view tail) {
  if (!connected()) return false;
  std::string command;
  append_publish(command, channel, "", head.size() + payload.size() + tail.size());
  commands().out().append(command, head, payload, std::string(tail) + "\r\n");
  commands().expect({replied, 0});
  return true;
}

std::shared_ptr<Connection> Service::any_thread_commands() const {
  const std::lock_guard lock(mutex_);
  return shared_commands_;
}

bool Service::writable() const {
  if (loop_.in_loop()) return !connected() || !connections_.front()->congested();
  const std::shared_ptr<Connection> connection = any_thread_commands();
  return !connection || (!connection->congested() && connection->afar_bytes() <= settings_.access.high_water_bytes);
}

void Service::when_writable(std::function<void()> ready) {
  loop_.post([self = shared_from_this(), ready = std::move(ready)]() mutable {
    if (self->connected() && self->commands().congested()) self->writers_.push_back(std::move(ready));
    else ready();
  });
}

void Service::wake_writers() {
  const std::vector<std::function<void()>> writers = std::exchange(writers_, {});
  for (const auto& ready : writers) ready();
}

}  // namespace ferry::redis
