// Records: taken from their partitions, handed on, settled, tried again, buried.

#include <utility>

#include "transports/kafka/error.hpp"
#include "transports/kafka/server.hpp"

namespace ferry::kafka {
namespace {

constexpr int most_at_once = 256;   // of one partition, before others have their turn

}  // namespace

// --- taking ---------------------------------------------------------------------------------------------------------

void Server::take_records() {
  if (partitions_.empty()) return;
  const std::shared_ptr<Session> session = session_;
  std::vector<PartitionPtr> all;   // handing on may change the map
  all.reserve(partitions_.size());
  for (const auto& [place, partition] : partitions_) all.push_back(partition);
  const std::size_t first = next_++ % all.size();
  bool more = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    more = take_some(all[(first + i) % all.size()]) || more;
    if (session_ != session) return;
  }
  if (more) session->consumer->wake_again();
}

/// True if there may be more to be taken at once.
bool Server::take_some(const PartitionPtr& partition) {
  const std::shared_ptr<Session> session = session_;
  for (int i = 0; i < most_at_once; ++i) {
    const Partition& p = *partition;
    if (paused_ || draining_ || p.busy || p.held || p.leaving || p.gone || !p.ready) return false;
    if (p.ledger.window() >= settings_.max_pending) return false;
    if (settings_.concurrent_partitions != 0 && busy_ >= settings_.concurrent_partitions) return false;
    EventPtr event(rd_kafka_queue_poll(p.queue.get(), 0));
    if (!event) return false;
    if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_FETCH) {
      take(event.get());
      if (session_ != session) return false;
      continue;
    }
    const rd_kafka_message_t* const message = rd_kafka_event_message_next(event.get());
    if (message == nullptr) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      sink_.on_error(driver_failure(message->err, "cannot read " + p.topic));
      continue;
    }
    partition->ledger.take(message->offset);
    take(std::make_shared<const Record>(session, partition, std::move(event), message), 0);
    if (session_ != session) return false;
  }
  return true;
}

void Server::take(RecordPtr record, std::int64_t attempts) {
  Partition& partition = *record->partition;
  const spi::DeliveryPtr delivery(new KafkaDelivery(desk_, std::move(record), attempts));
  ++partition.working;
  // An event is one at a time; `settled` ends that, perhaps before `on_message` returns.
  if (!delivery->expects_reply() && settings_.order == Order::partition && !std::exchange(partition.busy, true)) ++busy_;
  sink_.on_message(delivery);
}

void Server::hold(const PartitionPtr& partition, bool held) {
  partition->held = held;
  if (!held && session_) session_->consumer->wake_again();
}

// --- settling -------------------------------------------------------------------------------------------------------

void Server::settled(const RecordPtr& record, std::int64_t attempts, spi::Settlement outcome) {
  Partition& partition = *record->partition;
  if (partition.working > 0) --partition.working;
  if (partition.gone || record->session != session_) return;
  ++attempts;
  switch (outcome) {
    case spi::Settlement::ack:
    case spi::Settlement::reject: finished(record); break;
    case spi::Settlement::requeue:
      if (settings_.max_deliver != 0 && attempts >= settings_.max_deliver) bury(record, attempts);
      else again({record, attempts, false});
      break;
    case spi::Settlement::dead_letter: bury(record, attempts); break;
  }
  if (revoking_) try_revoke(false);
}

/// The record is done with: the next one of its partition may come.
void Server::finished(const RecordPtr& record) {
  Partition& partition = *record->partition;
  if (partition.gone || record->session != session_) return;
  const bool was_busy = std::exchange(partition.busy, false);
  if (was_busy) --busy_;
  const bool was_full = partition.ledger.window() >= settings_.max_pending;
  if (partition.ledger.settle(record->message->offset)) {
    partition.unstored = true;
    ++uncommitted_;
    if (!std::exchange(storing_, true)) {
      environment_.loop->post([this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) store_offsets();
      });
    }
  }
  if ((was_busy || was_full) && !draining_) session_->consumer->wake_again();
}

/// The driver commits what is stored, now and then and when partitions go.
void Server::store_offsets() {
  storing_ = false;
  if (!session_ || !settings_.auto_commit) return;
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions_.size())));
  for (const auto& [place, partition] : partitions_) {
    if (!std::exchange(partition->unstored, false) || !partition->ledger.committable()) continue;
    rd_kafka_topic_partition_list_add(list.get(), place.first.c_str(), place.second)->offset = *partition->ledger.committable();
  }
  if (list->cnt == 0) return;
  const auto error = rd_kafka_offsets_store(session_->consumer->get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && !closed_) sink_.on_error(driver_failure(error, "offsets were not stored"));
  if (settings_.commit_threshold == 0 || uncommitted_ < static_cast<std::size_t>(settings_.commit_threshold)) return;
  uncommitted_ = 0;
  rd_kafka_commit(session_->consumer->get(), nullptr, 1);
}

// --- once more ------------------------------------------------------------------------------------------------------

void Server::again(Again item) {
  retries_.emplace(Clock::now() + settings_.retry_delay, std::move(item));
  arm_retries();
}

void Server::arm_retries() {
  if (retries_.empty() || closed_) return;
  retry_timer_.emplace(environment_.loop->executor());
  retry_timer_->expires_at(retries_.begin()->first);
  retry_timer_->async_wait([this](std::error_code error) {
    if (!error) try_again();
  });
}

void Server::try_again() {
  if (paused_) return;   // `resume` comes back to it
  const std::shared_ptr<Session> session = session_;
  while (session_ == session && !retries_.empty() && retries_.begin()->first <= Clock::now()) {
    Again item = std::move(retries_.begin()->second);
    retries_.erase(retries_.begin());
    if (item.record->partition->gone || draining_) continue;
    if (item.bury) bury(item.record, item.attempts);
    else take(item.record, item.attempts);
  }
  if (session_ == session) arm_retries();
}

/// To the topic of dead letters, as it came, with what happened. It counts as done when that is confirmed.
void Server::bury(const RecordPtr& record, std::int64_t attempts) {
  const rd_kafka_message_t* const message = record->message;
  const std::string topic = record->partition->topic + settings_.dead_letter;
  const std::string place = record->partition->topic + "/" + std::to_string(message->partition) + "/" + std::to_string(message->offset);
  const std::string count = std::to_string(attempts);
  Failure failure;
  rd_kafka_topic_t* const to = session_->topics.open(session_->producer->get(), topic, failure);
  dead_letter_.start(to);
  dead_letter_.set_value({value_of(message), message->payload == nullptr, ValueForm::plain});
  if (message->key != nullptr) dead_letter_.set_key({static_cast<const char*>(message->key), message->key_len});
  HeaderList& headers = dead_letter_.headers();
  rd_kafka_headers_t* given = nullptr;
  if (rd_kafka_message_headers(message, &given) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(given, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      headers.add(name, {static_cast<const char*>(value), value == nullptr ? 0 : size});
    }
  }
  const bool failed_often = settings_.max_deliver != 0 && attempts >= settings_.max_deliver;
  const std::string cause = failed_often ? "its handler failed too often" : "its handler rejected it";
  headers.add("dead-letter-cause", cause);
  headers.add("dead-letter-attempts", count);
  headers.add("dead-letter-origin", place);
  const std::uintptr_t number = ++last_burial_;
  dead_letter_.set_opaque(reinterpret_cast<void*>(number));
  if (to != nullptr && dead_letter_.send(session_->producer->get(), topic, failure)) {
    burials_.emplace(number, Again{record, attempts, true});
    failure = Failure(errc::rejected, "the record " + place + " goes to " + topic + ": " + cause, Fate::unknown);
  } else {
    again({record, attempts, true});
  }
  desk_->report(std::move(failure));   // later: core is asking
}

}  // namespace ferry::kafka
