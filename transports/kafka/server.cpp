#include "transports/kafka/server.hpp"

#include <algorithm>
#include <utility>

#include "transports/kafka/error.hpp"
#include "transports/kafka/topic.hpp"

namespace ferry::kafka {
namespace {

using namespace std::chrono_literals;

/// The driver wants to be asked now and then, or it takes us for dead, and to be told what may be committed.
constexpr auto tick_interval = 200ms;
constexpr auto shortest_tick = 20ms;

/// Nobody lets us in by asking again.
bool is_refusal(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED || error == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL;
}

}  // namespace

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink)
    : environment_(std::move(environment)), sink_(sink), settings_(server_settings(environment_)),
      desk_(std::make_shared<Desk>(*environment_.loop, *environment_.serializer, static_cast<Desk::Owner&>(*this),
                                   Desk::Rules{environment_.extensions, settings_.at_least_once, settings_.transactional,
                                               settings_.observe, settings_.max_message, settings_.high_water})) {}

Server::~Server() {
  desk_->close();
  let_go();
}

// --- beginning ------------------------------------------------------------------------------------------------------

bool Server::read_routes(const std::vector<spi::Subscription>& subscriptions, Failure& failure) {
  routes_.clear();
  for (const spi::Subscription& each : subscriptions) {
    auto topic = topic_of(each.route);
    if (!topic) {
      failure = Failure(errc::bad_config, "service " + environment_.name + ": " + topic.failure().detail, Fate::not_sent);
      return false;
    }
    routes_.emplace(std::move(*topic), Route{each.route, std::max<std::size_t>(1, each.batch)});
  }
  return true;
}

void Server::ask(std::function<Fault(const Stopped&)> job, std::function<void(const Fault&)> then) {
  worker_->run([this, session = std::weak_ptr(session_), job = std::move(job), then = std::move(then)](const Stopped& stopped) -> Worker::Outcome {
    return [session, then, fault = job(stopped)] {
      if (!session.expired()) then(fault);
    };
  });
}

LinkSettings Server::link_of_outputs() const {
  LinkSettings link = settings_.link;
  link.create_topics = settings_.create_outputs;
  return link;
}

void Server::listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) {
  listened_ = std::move(done);
  join_limit_ = Clock::time_point::max();
  Failure failure;
  if (!session_ && (!read_routes(subscriptions, failure) || !start(failure))) {
    return environment_.loop->post([this, alive = std::weak_ptr(alive_), failure] {
      if (!alive.expired() && listened_) failed(failure);
    });
  }
  std::vector<std::string> topics;
  std::vector<std::string> graves;
  for (const auto& [topic, route] : routes_) {
    topics.push_back(topic);
    if (settings_.at_least_once) graves.push_back(topic + settings_.dead_letter);
  }
  const bool first_transaction = settings_.transactional && !transaction_;
  ask([producer = session_->producer, consumer = session_->consumer, link = settings_.link, topics, graves,
       outputs = link_of_outputs(), first_transaction](const Stopped& stopped) {
    Fault fault = reach_brokers(producer->get(), link, stopped);
    if (!fault) fault = reach_brokers(consumer->get(), link, stopped);
    if (!fault && first_transaction) fault = init_transactions(producer->get(), link.request, stopped);
    if (!fault) fault = ensure_topics(producer->get(), link, topics, stopped);
    return fault ? fault : ensure_topics(producer->get(), outputs, graves, stopped);
  }, [this, topics, graves](const Fault& fault) {
    if (!listened_) return;
    if (fault) return failed(*fault);
    known_topics_.insert(topics.begin(), topics.end());
    known_topics_.insert(graves.begin(), graves.end());
    if (settings_.transactional && !transaction_) make_transaction();
    if (joined_) listening();
    else subscribe();
  });
}

bool Server::start(Failure& failure) {
  const auto session = std::make_shared<Session>();
  const auto& loop = *environment_.loop;
  session->producer = Handle::make(RD_KAFKA_PRODUCER, settings_.link.producer, RD_KAFKA_EVENT_DR, loop, failure);
  if (!session->producer) return false;
  session->consumer = Handle::make(RD_KAFKA_CONSUMER, settings_.consumer,
                                   RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT, loop, failure);
  if (!session->consumer) return false;
  session->outbox = std::make_shared<Outbox>(loop, session->producer, Outbox::WhenFull::wait, [this](RecordFields record, const Failure& refusal) {
    answer_refused(record, refusal);
  });
  session_ = session;
  worker_ = std::make_unique<Worker>(loop);
  session->producer->open([this] { serve_producer(); });
  session->consumer->open([this] { serve(); });
  tick();
  return true;
}

/// Goes on when the group has given us our share.
void Server::subscribe() {
  const PartitionList topics(rd_kafka_topic_partition_list_new(static_cast<int>(routes_.size())));
  for (const auto& [topic, route] : routes_) rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (topics->cnt == 0) return listening();
  const auto error = rd_kafka_subscribe(session_->consumer->get(), topics.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) failed(driver_failure(error, "cannot subscribe", Fate::not_sent));
  // Members that are there take part before we have anything; one that is dead is waited for.
  join_limit_ = Clock::now() + settings_.link.request + 2 * settings_.rebalance_wait;
}

void Server::listening() {
  const Listened done = std::exchange(listened_, nullptr);
  if (!done) return;
  up_ = true;
  done(nullptr);
}

void Server::failed(const Failure& failure) {
  const Failure why = failure;
  if (!joined_) let_go();   // there is nothing to be kept
  const Listened done = std::exchange(listened_, nullptr);
  if (done) done(&why);
}

/// The brokers are out of reach. What we have of the group we keep, unless the driver can do nothing with it any more.
void Server::gone(const Failure& why) {
  if (listened_) return failed(why);
  if (!std::exchange(up_, false)) return;
  sink_.on_disconnected(why);
}

/// The driver can do nothing with it any more.
void Server::lost(const Failure& why) {
  const Failure failure = why;
  if (closed_) return session_ ? left() : void();
  joined_ = false;
  const bool was_up = std::exchange(up_, false);
  if (listened_) return failed(failure);
  let_go();
  if (was_up) sink_.on_disconnected(failure);
}

void Server::let_go() {
  ticker_.reset();
  retry_timer_.reset();
  worker_.reset();
  retries_.clear();
  unconfirmed_.clear();
  known_topics_.clear();
  seeking_.clear();
  begun_.clear();
  committing_ = false;
  wake_writers();
  revoking_.reset();
  if (closing_) Handle::unwatch(closing_.get());
  closing_.reset();
  for (const auto& [place, partition] : partitions_) partition->go();
  partitions_.clear();
  if (transaction_) {   // it may be calling us
    transaction_->shut();
    environment_.loop->post([transaction = std::shared_ptr<Transaction>(std::move(transaction_))] {});
  }
  busy_ = 0;
  joined_ = false;
  up_ = false;
  if (!session_) return;
  session_->consumer->shut();
  session_->producer->shut();
  session_->outbox->shut();
  session_.reset();
}

/// Streams of answers that wait for room go on, and find out themselves.
void Server::wake_writers() {
  if (writers_.empty()) return;
  environment_.loop->post([writers = std::exchange(writers_, {})] {
    for (const auto& ready : writers) ready();
  });
}

void Server::resume() {
  paused_ = false;
  if (!session_) return;
  session_->consumer->wake_again();
  arm_retries();
}

spi::NativeHandle Server::native() noexcept {
  return session_ ? spi::NativeHandle::of(session_->consumer->place()) : spi::NativeHandle{};
}

// --- what the driver says -------------------------------------------------------------------------------------------

void Server::serve() {
  serve_group();
  if (session_ && !closing_) take_records();
}

void Server::serve_group() {
  const std::shared_ptr<Session> session = session_;
  while (session && session_ == session) {
    rd_kafka_queue_t* const queue = closing_ ? closing_.get() : session->consumer->events();
    if (queue == nullptr) return;
    const EventPtr event(rd_kafka_queue_poll(queue, 0));
    if (!event) break;
    take(event.get());
  }
  if (closing_ && session_ && rd_kafka_consumer_closed(session_->consumer->get()) != 0) left();
}

void Server::take(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE: return on_rebalance(event);
    case RD_KAFKA_EVENT_ERROR: return take_error(event);
    case RD_KAFKA_EVENT_OFFSET_COMMIT: {
      const auto error = rd_kafka_event_error(event);
      // Nothing to commit, or the group has moved on: who has the partition now commits.
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET ||
          error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
          error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || error == RD_KAFKA_RESP_ERR__DESTROY) return;
      return sink_.on_error(driver_failure(error, "offsets were not committed"));
    }
    default: return;
  }
}

void Server::take_error(rd_kafka_event_t* event) {
  const auto code = rd_kafka_event_error(event);
  const bool joining = listened_ && !joined_;
  if (is_of_connection(code)) {   // to one broker; the driver tries again
    last_words_ = rd_kafka_event_error_string(event);
    if (is_loss_of_connection(code) || (joining && !is_refusal(code))) return;
  }
  Failure failure = driver_failure(code, "kafka://" + settings_.link.brokers, Fate::unknown, rd_kafka_event_error_string(event));
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    if (closing_ || flushing_) return;
    if (listened_ && joined_) return;   // `listen` waits for it to come back
    if (listened_) {
      failure.code = make_error_code(errc::not_connected);
      failure.detail = "cannot connect to " + failure.detail + (last_words_.empty() ? "" : ": " + last_words_);
    }
    return gone(failure);
  }
  if (rd_kafka_event_error_is_fatal(event) && !closing_) {
    return lost(failure);
  }
  if (joining && is_refusal(code)) return failed(failure);
  sink_.on_error(failure);
}

void Server::serve_producer() {
  const std::shared_ptr<Session> session = session_;
  while (session && session_ == session) {
    const EventPtr event(rd_kafka_queue_poll(session->producer->events(), 0));
    if (!event) break;
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) {
      take_error(event.get());
      continue;
    }
    while (const rd_kafka_message_t* report = session_ == session ? rd_kafka_event_message_next(event.get()) : nullptr) take_report(report);
  }
  if (transaction_) transaction_->room();
  if (session_ && session_->unconfirmed_bytes <= settings_.high_water) wake_writers();
  const bool committed = !transaction_ || transaction_->idle();
  if (flushing_ && session_ && committed && session_->outbox->empty() && rd_kafka_outq_len(session_->producer->get()) == 0) flushed();
}

void Server::tick() {
  ticker_.emplace(environment_.loop->executor(), std::clamp<std::chrono::milliseconds>(settings_.commit_interval, shortest_tick, tick_interval));
  ticker_->async_wait([this](std::error_code error) {
    if (error) return;
    tick();
    if (listened_ && !joined_ && Clock::now() >= join_limit_) {
      return failed(driver_failure(RD_KAFKA_RESP_ERR__TIMED_OUT, "the group " + settings_.group + " has not let us in", Fate::not_sent));
    }
    if (revoking_) try_revoke(Clock::now() >= revoke_limit_);
    store_offsets();
    commit_begun_again();
    serve_group();
  });
}

// --- the end --------------------------------------------------------------------------------------------------------

/// What was taken is handled still; what was read ahead is the group's.
void Server::drain(std::function<void()> done) {
  draining_ = true;
  listened_ = nullptr;
  environment_.loop->post(std::move(done));
}

/// 1. Answers leave, and the last transaction. 2. The consumer commits, and leaves its group. 3. The instances end.
void Server::close(std::chrono::milliseconds limit, std::function<void()> done) {
  end_limit_ = Clock::now() + limit;
  draining_ = true;
  listened_ = nullptr;
  closed_ = std::move(done);
  desk_->close();
  retries_.clear();
  if (!session_) return left();
  session_->outbox->flush();
  store_offsets();
  const bool committed = !transaction_ || transaction_->idle();
  if (!up_ || (committed && session_->outbox->empty() && rd_kafka_outq_len(session_->producer->get()) == 0)) return flushed();
  flushing_ = true;
  if (transaction_) transaction_->hurry(true);
  retry_timer_.emplace(environment_.loop->executor(), limit / 3);
  retry_timer_->async_wait([this](std::error_code error) {
    if (!error && flushing_) flushed();
  });
}

void Server::flushed() {
  flushing_ = false;
  leave();
}

void Server::leave() {
  const auto left_over = std::chrono::ceil<std::chrono::milliseconds>(end_limit_ - Clock::now());
  retry_timer_.emplace(environment_.loop->executor(), std::max<std::chrono::milliseconds>(left_over / 2, 1ms));
  retry_timer_->async_wait([this](std::error_code error) {
    if (!error && closed_) left();   // it may be over when this comes
  });
  Handle& consumer = *session_->consumer;
  store_offsets();
  if (revoking_) revoked();   // it was waiting for handlers
  closing_.reset(rd_kafka_queue_new(consumer.get()));
  consumer.release_events();
  closing_bell_ = consumer.watch(closing_.get());
  Failure failure;
  if (!succeeded(rd_kafka_consumer_close_queue(consumer.get(), closing_.get()), "cannot leave the group", failure)) left();
}

void Server::left() {
  std::vector<std::shared_ptr<Handle>> handles;
  if (session_) handles = {session_->consumer, session_->producer};
  let_go();
  const auto left_over = std::chrono::ceil<std::chrono::milliseconds>(end_limit_ - Clock::now());
  end_handles(std::move(handles), *environment_.loop, std::max(left_over, 1ms), std::exchange(closed_, nullptr));
}

}  // namespace ferry::kafka
