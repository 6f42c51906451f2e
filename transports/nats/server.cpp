#include "transports/nats/server.hpp"

#include <algorithm>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/nats/error.hpp"
#include "transports/nats/subject.hpp"

namespace ferry::nats {

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink)
    : environment_(std::move(environment)),
      sink_(sink),
      settings_(server_settings(environment_)),
      live_(std::make_shared<LiveMessages>(*environment_.loop, *environment_.serializer, sink)) {
  for (const std::string& server : settings_.link.servers) {
    endpoint_.append(endpoint_.empty() ? "" : ",").append(without_secrets(server));
  }
}

Server::~Server() {
  live_->close();
  if (connector_) connector_->cancel();
  leave();
  for (const auto& consumer : consumers_) consumer->end();
}

// --- listening ------------------------------------------------------------------------------------------------------

bool Server::read_routes(const std::vector<spi::Subscription>& subscriptions, Failure& failure) {
  routes_.clear();
  for (const spi::Subscription& each : subscriptions) {
    Route route;
    route.pattern = each.route;
    route.queue = each.extras.is_object() ? each.extras.value("queue", settings_.queue) : settings_.queue;
    if (!is_subscribable(each.route)) {
      failure = Failure(errc::bad_config,
                        "service " + environment_.name + ": the pattern \"" + each.route +
                            "\" cannot be a NATS subject; a subject has no white space and no empty parts between its dots, "
                            "and > stands only at its end", Fate::not_sent);
      return false;
    }
    const bool twice = std::any_of(routes_.begin(), routes_.end(), [&](const Route& r) { return r.pattern == route.pattern; });
    if (!twice) routes_.push_back(std::move(route));
  }
  return true;
}

void Server::listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) {
  listened_ = std::move(done);
  Failure failure;
  if (!read_routes(subscriptions, failure)) {
    return environment_.loop->post([this, alive = std::weak_ptr(alive_), failure] {
      if (!alive.expired()) failed(failure);
    });
  }
  connector_ = std::make_shared<Connector>(*environment_.loop, settings_.link, discovered_);
  connector_->start([this](const Failure* why, const std::shared_ptr<Connection>& connection, natsConnection* handle) {
    connector_.reset();
    if (why != nullptr) return failed(*why);
    connected(connection, handle);
  });
}

void Server::connected(const std::shared_ptr<Connection>& connection, natsConnection* handle) {
  connection_ = connection;
  connection_->open(handle, *this);
  discovered_ = connection_->known_servers();
  live_->outlet().set(connection_);
  Failure failure;
  if (!subscribe(failure)) return failed(failure);
  if (settings_.stream) set_up_stream();
  else confirm();
}

bool Server::subscribe(Failure& failure) {
  for (Route& route : routes_) {
    if (!subscribe(route, failure)) return false;
  }
  if (!environment_.extensions) return true;
  cancels_ = {std::string(extension::cancel_pattern), "", nullptr};
  return subscribe(cancels_, failure);
}

bool Server::subscribe(Route& route, Failure& failure) {
  natsConnection* const handle = connection_->handle();
  const char* const subject = route.pattern.c_str();
  natsStatus status = route.queue.empty()
                          ? natsConnection_SubscribeSync(&route.subscription, handle, subject)
                          : natsConnection_QueueSubscribeSync(&route.subscription, handle, subject, route.queue.c_str());
  // Never dropped here: `bound_pending` stops reading instead.
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(route.subscription, -1, -1);
  if (status == NATS_OK) return true;
  failure = driver_failure(status, "cannot subscribe to \"" + route.pattern + "\"", Fate::not_sent);
  return false;
}

void Server::set_up_stream() {
  inbox_ = std::make_unique<Inbox>(connection_, settings_.link.inbox_prefix);
  setup_ = std::make_shared<StreamSetup>(*connection_, *inbox_, *settings_.stream, settings_.link.timeout);
  for (const Route& route : routes_) setup_->add_consumer(route.pattern);
  setup_->run([this](const Failure* failure) {
    setup_.reset();
    if (failure != nullptr) return failed(*failure);
    confirm();
  });
}

/// The server has all subscriptions once it has answered. What it refuses, it has said by then.
void Server::confirm() {
  connection_->round_trip(settings_.link.timeout, [this, alive = std::weak_ptr(alive_), on = connection_.get()](natsStatus status) {
    if (alive.expired() || !listened_ || connection_.get() != on) return;
    if (status != NATS_OK) return failed(driver_failure(status, "the server did not take the subscriptions", Fate::not_sent));
    listening();
  });
}

void Server::listening() {
  endpoint_ = connection_->url();
  if (settings_.stream) start_consumers();
  const Listened done = std::exchange(listened_, nullptr);
  if (done) done(nullptr);
}

/// They last longer than connections: what they brought may still be at work.
void Server::start_consumers() {
  for (const Route& route : routes_) {
    if (consumers_.size() == routes_.size()) break;
    Consumer::Events events;
    events.take = [this](MessagePtr message, std::size_t prefix, std::shared_ptr<Settler> settler, std::string_view pattern) {
      take_event(std::move(message), prefix, std::move(settler), pattern);
    };
    events.broken = [this](const Failure& why) {
      if (connection_) on_gone(why);
    };
    consumers_.push_back(std::make_shared<Consumer>(live_, *settings_.stream, route.pattern, std::move(events)));
    consumers_.back()->pause(paused_);
  }
  for (const auto& consumer : consumers_) consumer->start(connection_, *inbox_);
}

void Server::failed(const Failure& failure) {
  leave();
  const Listened done = std::exchange(listened_, nullptr);
  if (done) done(&failure);
}

/// Lets go of the connection.
void Server::leave() {
  if (setup_) std::exchange(setup_, nullptr)->cancel();
  for (const auto& consumer : consumers_) consumer->leave();
  inbox_.reset();
  for (Route& route : routes_) natsSubscription_Destroy(std::exchange(route.subscription, nullptr));
  natsSubscription_Destroy(std::exchange(cancels_.subscription, nullptr));
  live_->outlet().set(nullptr);
  if (!connection_) return;
  discovered_ = connection_->known_servers();
  std::exchange(connection_, nullptr)->end();
}

void Server::on_gone(const Failure& why) {
  const Failure failure = why;
  if (listened_) return failed(failure);
  leave();
  if (drained_) return drained();
  sink_.on_disconnected(failure);
}

spi::NativeHandle Server::native() noexcept {
  return connection_ ? spi::NativeHandle::of(connection_->handle_place()) : spi::NativeHandle{};
}

// --- messages -------------------------------------------------------------------------------------------------------

void Server::pause() {
  paused_ = true;
  for (const auto& consumer : consumers_) consumer->pause(true);
}

void Server::resume() {
  paused_ = false;
  environment_.loop->post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || paused_) return;
    take_all();
    for (const auto& consumer : consumers_) consumer->pause(false);
  });
}

void Server::on_input() {
  if (inbox_) {
    inbox_->drain([this](Inbox::Slot& slot, natsMsg* message) {
      const auto answered = std::move(slot.answered);
      inbox_->release(slot);
      if (answered) answered(message);
    });
  }
  if (cancels_.subscription != nullptr) take_cancels();
  for (const auto& consumer : consumers_) consumer->drain();
  take_all();
}

void Server::take_all() {
  if (!connection_ || std::exchange(taking_, true)) return;
  for (Route& route : routes_) {
    if (paused_) break;
    take(route);
  }
  taking_ = false;
  bound_pending();
}

void Server::take(Route& route) {
  int messages = 0;
  if (natsSubscription_GetPending(route.subscription, &messages, nullptr) != NATS_OK) return;
  for (; messages > 0 && !paused_; --messages) {
    natsMsg* raw = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&raw, route.subscription, 0);
    if (status == NATS_NO_RESPONDERS) continue;   // somebody published what looks like the server's own words
    if (status != NATS_OK) return;
    take(MessagePtr(raw), route);
  }
}

/// While handlers are held back, messages wait in the subscriptions; beyond the limit, in the server.
void Server::bound_pending() {
  if (!paused_) return connection_->hold(false);
  std::size_t pending = 0;
  for (const Route& route : routes_) {
    int bytes = 0;
    if (natsSubscription_GetPending(route.subscription, nullptr, &bytes) == NATS_OK) pending += static_cast<std::size_t>(bytes);
  }
  connection_->hold(pending > settings_.link.max_pending_bytes);
}

void Server::take_cancels() {
  int messages = 0;
  if (natsSubscription_GetPending(cancels_.subscription, &messages, nullptr) != NATS_OK) return;
  for (; messages > 0; --messages) {
    natsMsg* raw = nullptr;
    if (natsSubscription_NextMsg(&raw, cancels_.subscription, 0) != NATS_OK) continue;
    MessagePtr message(raw);
    spi::RequestView view;
    if (environment_.serializer->read_request(body_of(raw), view) == nullptr && view.has_payload) live_->give_up(view.payload);
    connection_->discard(std::move(message));
  }
}

void Server::take(MessagePtr message, const Route& route) {
  // A wildcard may hear what was meant for `take_cancels`.
  if (environment_.extensions && natsMsg_GetSubject(message.get()) == extension::cancel_pattern) return;
  auto* const made = new NatsDelivery(live_, std::move(message));
  const spi::DeliveryPtr delivery(made);
  if (const char* why = transports::read_broker_message(*environment_.serializer, body_of(made->message()), route.pattern,
                                                        transports::Unreadable::is_an_error, made->received(), made->scratch())) {
    return live_->report(Failure(errc::bad_message, "a message on " + made->subject() + " cannot be read: " + why));
  }
  if (made->view().has_id && environment_.extensions) take_request(*made);
  sink_.on_message(delivery);
}

void Server::take_request(NatsDelivery& delivery) {
  const char* const reply = reply_subject_of(delivery.message());
  if (reply == nullptr) return;
  const auto note = ReplyNote::read(reply);
  if (!note) return;
  if (note->timeout) delivery.set_deadline(detail::coarse_now() + *note->timeout);
  delivery.enlist();
  if (note->hello) say_hello(reply);
}

void Server::say_hello(const char* subject) {
  std::string head;
  std::string tail;
  environment_.serializer->write_reply({spi::ReplyKind::end, extension::raw_id(*environment_.serializer, extension::hello_id)},
                                       head, tail);
  head += tail;
  Failure ignored;
  connection_->publish({subject, nullptr, head, nullptr}, ignored);
}

void Server::take_event(MessagePtr message, std::size_t prefix, std::shared_ptr<Settler> settler, std::string_view route) {
  auto* const made = new NatsDelivery(live_, std::move(message));
  const spi::DeliveryPtr delivery(made);
  made->set_subject(std::string_view(natsMsg_GetSubject(made->message())).substr(prefix));
  made->set_settler(std::move(settler));
  const char* why = transports::read_broker_message(*environment_.serializer, body_of(made->message()), route,
                                                    transports::Unreadable::is_an_error, made->received(), made->scratch());
  if (why != nullptr) {
    live_->report(Failure(errc::bad_message, "an event on " + made->subject() + " cannot be read, and goes to the dead letters: " + why));
    return made->settle(spi::Settlement::dead_letter);
  }
  made->received().has_id = false;   // its reply subject is the stream's
  sink_.on_message(delivery);
}

// --- the end --------------------------------------------------------------------------------------------------------

/// The server stops sending, and what it has sent before is handled still.
void Server::drain(std::function<void()> done) {
  drained_ = std::move(done);
  if (connector_) connector_->forget();
  listened_ = nullptr;
  paused_ = false;
  for (const auto& consumer : consumers_) consumer->stop();
  if (!connection_) return environment_.loop->post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) drained();
  });
  for (Route& route : routes_) {
    if (route.subscription == nullptr) continue;
    if (settings_.graceful_shutdown) natsSubscription_Drain(route.subscription);
    else natsSubscription_Unsubscribe(route.subscription);
  }
  const auto limit = settings_.graceful_shutdown ? settings_.grace_period : settings_.link.timeout;
  connection_->round_trip(limit, [this, alive = std::weak_ptr(alive_)](natsStatus) {
    if (alive.expired()) return;
    take_all();
    drained();
  });
}

void Server::drained() {
  const auto done = std::exchange(drained_, nullptr);
  if (done) done();
}

void Server::close(std::chrono::milliseconds limit, std::function<void()> done) {
  alive_.reset();
  live_->close();
  listened_ = nullptr;
  if (drained_) environment_.loop->post(std::exchange(drained_, nullptr));
  const auto connection = std::exchange(connection_, nullptr);
  leave();
  for (const auto& consumer : consumers_) consumer->end();
  if (connector_) return std::exchange(connector_, nullptr)->end(limit, std::move(done));
  if (!connection) return environment_.loop->post(std::move(done));
  connection->end_gently(limit, std::move(done));
}

}  // namespace ferry::nats
