// Records: taken from their partitions, handed on in their turn, settled, tried again.

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
  for (const auto& [place, partition] : partitions_) {
    if (partition->bell->rung() || !partition->due.empty()) all.push_back(partition);
  }
  if (all.empty()) return;
  const std::size_t first = next_++ % all.size();
  bool more = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const PartitionPtr& partition = all[(first + i) % all.size()];
    taking_ = partition.get();
    more = take_some(partition) || more;
    taking_ = nullptr;
    if (session_ != session) return;
  }
  if (more) session->consumer->wake_again();
}

/// True if there may be more to be taken at once.
bool Server::take_some(const PartitionPtr& partition) {
  const std::shared_ptr<Session> session = session_;
  for (int i = 0; i < most_at_once; ++i) {
    const Partition& p = *partition;
    if (paused_ || draining_ || p.held || p.leaving || p.gone || !p.ready) return false;
    if (p.turns.out >= p.at_once || p.turns.retried != 0) return false;
    if (transaction_ && transaction_->waiting() >= settings_.max_pending) return false;   // `done` comes back to it
    if (!p.due.empty()) {
      const Waiting next = std::move(partition->due.front());
      partition->due.pop_front();
      ++partition->working;
      sink_.on_message(next.delivery);
      if (session_ != session) return false;
      continue;
    }
    if (p.ledger.window() >= settings_.max_pending) return false;
    if (settings_.concurrent_partitions != 0 && p.turns.out == 0 && busy_ >= settings_.concurrent_partitions) return false;
    p.bell->answer();   // before: what comes meanwhile rings again
    EventPtr event(rd_kafka_queue_poll(p.queue.get(), 0));
    if (!event) return false;
    p.bell->ring();   // it may have more
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
    take(std::allocate_shared<const Record>(PoolAllocator<const Record>(), ++last_number_, session, partition, std::move(event), message), 0);
    if (session_ != session) return false;
  }
  return true;
}

void Server::take(RecordPtr record, std::int64_t attempts) {
  const spi::DeliveryPtr delivery(new KafkaDelivery(desk_, record, attempts));
  if (attempts == 0 && !take_turn(record, delivery)) return;
  ++record->partition->working;
  sink_.on_message(delivery);   // it may be settled before this returns
}

/// True if it is its turn; else it waits. Requests wait for nothing.
bool Server::take_turn(const RecordPtr& record, const spi::DeliveryPtr& delivery) {
  Partition& partition = *record->partition;
  if (delivery->expects_reply() || settings_.order == Order::none) return true;
  if (settings_.order == Order::key) {
    if (record->message->key == nullptr) return true;
    record->has_turn = true;
    Turns& turns = partition.keys[std::string(record->key())];
    const bool now = turns.waiting.empty() && turns.out < partition.at_once && turns.retried == 0;
    if (now) ++turns.out;
    else turns.waiting.push_back({record, delivery});
    return now;
  }
  record->has_turn = true;
  if (partition.turns.out++ == 0) ++busy_;
  return true;
}

Turns* Server::turns_of(const Record& record) {
  Partition& partition = *record.partition;
  if (!record.has_turn || partition.gone) return nullptr;
  if (settings_.order == Order::partition) return &partition.turns;
  const auto found = partition.keys.find(record.key());
  return found == partition.keys.end() ? nullptr : &found->second;
}

/// The next event of its partition, or of its key, may be handled.
void Server::release_turn(const Record& record) {
  Turns* const turns = turns_of(record);
  record.has_turn = false;
  if (turns == nullptr) return;
  Partition& partition = *record.partition;
  --turns->out;
  if (std::exchange(record.retried, false)) --turns->retried;
  if (settings_.order == Order::partition) {
    if (turns->out == 0) --busy_;
  } else {
    for (; !turns->waiting.empty() && turns->out < partition.at_once && turns->retried == 0; ++turns->out) {
      partition.due.push_back(std::move(turns->waiting.front()));
      turns->waiting.pop_front();
    }
    if (turns->out == 0) partition.keys.erase(partition.keys.find(record.key()));
  }
  if (!draining_ && taking_ != &partition) session_->consumer->wake_again();
}

void Server::hold(const PartitionPtr& partition, bool held) {
  partition->held = held;
  if (!held && session_) session_->consumer->wake_again();
}

/// The group's offset, whatever of the records below is still at work.
void Server::commit(const Record& record) {
  const Partition& partition = *record.partition;
  if (record.session != session_ || partition.gone) {
    return sink_.on_error(Failure(errc::rejected, "commit() of " + place_of(record) + " came too late: the partition is another "
                                  "member's", Fate::not_sent));
  }
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number)->offset = record.message->offset + 1;
  const auto error = rd_kafka_commit(session_->consumer->get(), list.get(), 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) sink_.on_error(driver_failure(error, "cannot commit " + place_of(record)));
}

void Server::when_writable(std::function<void()> ready) {
  if (session_ && session_->unconfirmed_bytes > settings_.high_water) writers_.push_back(std::move(ready));
  else ready();
}

// --- settling -------------------------------------------------------------------------------------------------------

void Server::settled(Work work, spi::Settlement outcome) {
  if (work.record->session != session_) return;
  ++work.attempts;
  switch (outcome) {
    case spi::Settlement::ack:
    case spi::Settlement::reject: handled(std::move(work)); break;
    case spi::Settlement::requeue:
      if (settings_.max_deliver == 0 || work.attempts < settings_.max_deliver) again(std::move(work));
      else if (!answer_in_vain(work)) bury(std::move(work), "its handler failed too often");
      break;
    case spi::Settlement::dead_letter: bury(std::move(work), "its handler rejected it"); break;
  }
  if (revoking_) try_revoke(false);
}

/// True for a request: its caller is told, and it is over.
bool Server::answer_in_vain(const Work& work) {
  const spi::DeliveryPtr delivery(new KafkaDelivery(desk_, work.record, work.attempts));
  if (!delivery->expects_reply()) return false;
  std::string body = R"({"status":"error","message":"Internal server error"})";
  delivery->reply(spi::ReplyKind::error, body);
  desk_->report(Failure(errc::rejected, "the request " + place_of(*work.record) + " was answered with an error: its handler wanted "
                        "to be asked again too often", Fate::confirmed));
  delivery->settle(spi::Settlement::ack);
  return true;
}

// --- once more ------------------------------------------------------------------------------------------------------

/// To be handled again, or what it puts out sent again.
void Server::again(Work work) {
  Partition& partition = *work.record->partition;
  --partition.working;
  if (partition.gone || partition.leaving) return;   // the next member's
  Turns* const turns = turns_of(*work.record);
  if (turns != nullptr && !std::exchange(work.record->retried, true)) ++turns->retried;
  retries_.emplace(Clock::now() + settings_.retry_delay, std::move(work));
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
    Work work = std::move(retries_.begin()->second);
    retries_.erase(retries_.begin());
    Partition& partition = *work.record->partition;
    if (partition.gone || draining_) continue;
    if (work.outputs.empty()) {
      take(work.record, work.attempts);
    } else {
      ++partition.working;
      find_topics(std::move(work));
    }
  }
  if (session_ == session) arm_retries();
}

}  // namespace ferry::kafka
