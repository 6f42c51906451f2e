// What goes out because of a record, and when the record counts as done: once that is stored.

#include <algorithm>
#include <cstddef>
#include <utility>

#include "transports/kafka/server.hpp"

namespace ferry::kafka {

namespace {

constexpr const char* no_place = "what it puts out cannot be stored";

}  // namespace

/// Its handlers are done with it.
void Server::handled(Work work) {
  const RecordPtr record = work.record;
  release_turn(*record);
  if (record->partition->gone) work.outputs.clear();   // the next member's
  find_topics(std::move(work));
}

/// Those of outputs are made if they are not there, as those of a client's events. Each is looked for once at a time.
void Server::find_topics(Work work) {
  for (const Output& output : work.outputs) {
    if (output.reply || known_topics_.contains(output.topic)) continue;
    const std::string topic = output.topic;
    std::vector<Work>& waiting = seeking_[topic];
    waiting.push_back(std::move(work));
    if (waiting.size() > 1) return;
    return ask([producer = session_->producer, link = link_of_outputs(), topic](const Stopped& stopped) {
      return ensure_topics(producer->get(), link, {topic}, stopped);
    }, [this, topic](const Fault& fault) { found_topic(topic, fault); });
  }
  put_out(std::move(work));
}

void Server::found_topic(const std::string& topic, const Fault& fault) {
  const std::shared_ptr<Session> session = session_;
  std::vector<Work> waiting = std::move(seeking_[topic]);
  seeking_.erase(topic);
  if (fault) sink_.on_error(*fault);
  else known_topics_.insert(topic);
  for (Work& work : waiting) {
    if (session_ != session) return;
    if (fault) not_stored(std::move(work), trouble_of(fault->code));
    else find_topics(std::move(work));
  }
}

void Server::put_out(Work work) {
  if (!transaction_) return send_outputs(std::move(work));
  const RecordPtr record = work.record;
  // Into the transaction go the records of a partition in their order, whichever was handled first.
  Partition& partition = *record->partition;
  if (partition.gone) return;
  partition.handled.emplace(record->message->offset, std::move(work));
  if (!partition.ledger.settle(record->message->offset)) return;
  const std::int64_t end = *partition.ledger.committable();
  const std::shared_ptr<Session> session = session_;
  while (session_ == session && !partition.handled.empty() && partition.handled.begin()->first < end) {
    transaction_->add(std::move(partition.handled.extract(partition.handled.begin()).mapped()));
  }
}

/// To the topic of dead letters, as it came, with what happened.
void Server::bury(Work work, const std::string& cause) { handled(buried(std::move(work), cause)); }

Work Server::buried(Work work, const std::string& cause) {
  const Record& record = *work.record;
  const std::string topic = record.partition->topic + settings_.dead_letter;
  work.outputs.assign(1, dead_letter(record, topic, cause, work.attempts));
  work.buried = true;
  desk_->report(Failure(errc::rejected, "the record " + place_of(record) + " goes to " + topic + ": " + cause, Fate::unknown));
  return work;
}

/// Nothing more goes out because of it: its partition is not to wait for what will not happen.
Work Server::given_up(Work work) {
  if (work.buried) {
    desk_->report(Failure(errc::rejected, "the record " + place_of(*work.record) + " is given up: its dead letter cannot be stored",
                          Fate::confirmed));
  }
  work.outputs.clear();
  return work;
}

/// What the driver has no room for waits until what it has is stored.
void Server::send_outputs(Work work) {
  const std::uintptr_t number = work.record->number;
  const std::size_t answers = work.record->answers.load(std::memory_order_acquire);
  if (work.outputs.empty() && answers == 0) return finished(work.record);
  Unconfirmed& unconfirmed = unconfirmed_[number];
  unconfirmed.settled = true;
  unconfirmed.expected = answers;
  unconfirmed.work = std::move(work);
  Work& sending = unconfirmed.work;
  for (sending.sent = 0; sending.sent < sending.outputs.size(); ++sending.sent, ++unconfirmed.expected) {
    Failure failure;
    unconfirmed.refused = sending.outputs[sending.sent].send(*session_, reinterpret_cast<void*>(opaque_of(number, true)), failure);
    if (unconfirmed.refused == Trouble::none) continue;
    desk_->report(std::move(failure));
    break;
  }
  check(number);
}

void Server::take_report(const rd_kafka_message_t* report) {
  const auto opaque = reinterpret_cast<std::uintptr_t>(report->_private);
  const std::uintptr_t number = opaque >> 1;
  const bool good = report->err == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!good) desk_->report(delivery_failure(report, "a record was not confirmed"));
  if (transaction_) {
    if (!good) transaction_->not_stored(number, report->err);
  } else if ((opaque & 1) == 0) {
    session_->outbox->reported();
    answered(number, report->len);
  } else {
    Unconfirmed& unconfirmed = unconfirmed_[number];
    ++unconfirmed.reported;
    unconfirmed.trouble = std::max(unconfirmed.trouble, trouble_of(make_code(report->err)));
    check(number);
  }
}

/// An answer to the record `number` is stored, or never will be.
void Server::answered(std::uintptr_t number, std::size_t bytes) {
  session_->unconfirmed_bytes -= Session::bytes_of_answer(bytes);
  ++unconfirmed_[number].reported;
  check(number);
}

/// By the driver.
void Server::answer_refused(RecordFields record, const Failure& failure) {
  Failure told = failure;
  told.detail = "a reply was dropped: " + told.detail;
  desk_->report(std::move(told));
  std::uintptr_t opaque = 0;
  std::size_t bytes = 0;
  for (const rd_kafka_vu_t& field : record) {
    if (field.vtype == RD_KAFKA_VTYPE_OPAQUE) opaque = reinterpret_cast<std::uintptr_t>(field.u.ptr);
    if (field.vtype == RD_KAFKA_VTYPE_VALUE) bytes = field.u.mem.size;
  }
  answered(opaque >> 1, bytes);
  if (session_ && session_->unconfirmed_bytes <= settings_.high_water) wake_writers();   // no report may come
}

void Server::check(std::uintptr_t number) {
  const auto found = unconfirmed_.find(number);
  if (!found->second.settled || found->second.reported < found->second.expected) return;
  Unconfirmed over = std::move(found->second);
  unconfirmed_.erase(found);
  Work& work = over.work;
  work.record->answers.store(0, std::memory_order_relaxed);   // they were counted
  const Trouble trouble = std::max(over.trouble, over.refused);
  if (trouble == Trouble::none) return finished(work.record);
  if (over.trouble == Trouble::none) work.outputs.erase(work.outputs.begin(), work.outputs.begin() + static_cast<std::ptrdiff_t>(work.sent));
  not_stored(std::move(work), trouble);
}

/// It is sent again: as often as a handler would be tried, but while only the brokers are away, or there was no room.
void Server::not_stored(Work work, Trouble trouble) {
  if (!settings_.at_least_once) return put_out(given_up(std::move(work)));   // it was reported
  if (trouble != Trouble::passing) {
    ++work.attempts;
    for (const Output& output : work.outputs) known_topics_.erase(output.topic);   // one may be gone
  }
  const bool often = trouble == Trouble::lasting && settings_.max_deliver != 0 && work.attempts >= settings_.max_deliver;
  if (trouble == Trouble::hopeless && work.buried) return put_out(given_up(std::move(work)));
  if ((often || trouble == Trouble::hopeless) && !work.buried) return bury(std::move(work), no_place);
  again(std::move(work));
}

/// The record is done with.
void Server::finished(const RecordPtr& record) {
  Partition& partition = *record->partition;
  if (record->session != session_) return;
  const bool was_full = partition.ledger.window() >= settings_.max_pending;
  const bool more = !partition.gone && partition.ledger.settle(record->message->offset);
  move_on(record);
  if (was_full && !draining_ && session_ && taking_ != &partition) session_->consumer->wake_again();
  if (!more) return;
  partition.unstored = true;
  ++uncommitted_;
  if (settings_.commit_threshold != 0 && uncommitted_ == static_cast<std::size_t>(settings_.commit_threshold)) {
    environment_.loop->post([this, alive = std::weak_ptr(alive_)] {   // with what else is done in this turn
      if (!alive.expired()) store_offsets();
    });
  }
}

/// A partition may be waiting for this one, to be given away.
void Server::move_on(const RecordPtr& record) {
  if (record->partition->working > 0) --record->partition->working;
  if (revoking_) try_revoke(false);
}

/// The driver commits what is stored, now and then and when partitions go.
void Server::store_offsets() {
  if (!session_ || !settings_.auto_commit || transaction_) return;
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

void Server::make_transaction() {
  Transaction::Rules rules;
  rules.interval = settings_.commit_interval;
  rules.most_records = static_cast<std::size_t>(settings_.commit_threshold);
  rules.limit = settings_.link.request;
  rules.retry_delay = settings_.retry_delay;
  Transaction::Events events;
  events.done = [this](const Work& work) {
    move_on(work.record);
    if (session_ && !draining_) session_->consumer->wake_again();
  };
  events.instead = [this](Work work, Trouble trouble) {
    if (!work.buried) return buried(std::move(work), no_place);
    return trouble == Trouble::hopeless ? given_up(std::move(work)) : std::move(work);
  };
  events.error = [this](const Failure& failure) { desk_->report(failure); };
  events.over = [this](const Failure& failure) { lost(failure); };
  events.idle = [this] {
    if (flushing_) serve_producer();
  };
  transaction_ = std::make_unique<Transaction>(session_, *environment_.loop, rules, std::move(events));
}

}  // namespace ferry::kafka
