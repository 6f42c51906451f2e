// Partitions that the group gives and takes.

#include <algorithm>
#include <iterator>
#include <utility>

#include "transports/kafka/error.hpp"
#include "transports/kafka/server.hpp"

namespace ferry::kafka {

bool Server::is_cooperative() const {
  const char* const protocol = rd_kafka_rebalance_protocol(session_->consumer->get());
  return protocol != nullptr && std::string_view(protocol) == "COOPERATIVE";
}

/// The driver waits for our `assign` or `unassign` before anything else happens in the group.
void Server::on_rebalance(rd_kafka_event_t* event) {
  const rd_kafka_topic_partition_list_t* const partitions = rd_kafka_event_topic_partition_list(event);
  static const PartitionList none(rd_kafka_topic_partition_list_new(0));
  const auto& list = partitions == nullptr ? *none : *partitions;
  if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) assign(list);
  else revoke(list);
}

void Server::assign(const rd_kafka_topic_partition_list_t& partitions) {
  struct Found {   // held by the job and by what follows it
    PartitionList partitions;
    Beginnings begun;
  };
  const auto found = std::make_shared<Found>();
  found->partitions.reset(rd_kafka_topic_partition_list_copy(&partitions));
  if (closing_ || partitions.cnt == 0) return assigned(*found->partitions);
  ask([consumer = session_->consumer, link = settings_.link, from_beginning = settings_.from_beginning, found](const Stopped& stopped) -> Fault {
    auto fault = find_positions(consumer->get(), link, from_beginning, *found->partitions, found->begun, stopped);
    if (fault) return fault;
    const auto committed = commit_begun(consumer->get(), found->begun, true);
    if (!committed) return committed.failure();
    if (*committed) found->begun.clear();
    return {};
  }, [this, found](const Fault& fault) {
    if (fault && !closing_) sink_.on_error(*fault);   // the driver starts at what it can find out itself
    if (!fault) begun_.insert(begun_.end(), found->begun.begin(), found->begun.end());
    assigned(*found->partitions);
  });
}

/// Where the group begins with partitions of ours, as far as it has not taken that yet. What was handled since says more.
Beginnings Server::begun() const {
  Beginnings left;
  std::copy_if(begun_.begin(), begun_.end(), std::back_inserter(left), [this](const Beginning& each) {
    const auto found = partitions_.find(Place(each.topic, each.partition));
    return found != partitions_.end() && !found->second->ledger.committable();
  });
  return left;
}

/// Once more, until the group has shared its partitions out.
void Server::commit_begun_again() {
  if (begun_.empty() || committing_ || closing_) return;
  committing_ = true;
  const auto taken = std::make_shared<bool>(false);
  ask([consumer = session_->consumer, left = begun(), taken](const Stopped&) -> Fault {
    const auto committed = commit_begun(consumer->get(), left, true);
    if (!committed) return committed.failure();
    *taken = *committed;
    return {};
  }, [this, asked = begun_, taken](const Fault& fault) {
    committing_ = false;
    if (fault) sink_.on_error(*fault);
    if (!fault && !*taken) return;
    std::erase_if(begun_, [&asked](const Beginning& each) { return std::find(asked.begin(), asked.end(), each) != asked.end(); });
    if (listened_ && joined_ && begun_.empty()) listening();
  });
}

void Server::assigned(const rd_kafka_topic_partition_list_t& partitions) {
  rd_kafka_t* const consumer = session_->consumer->get();
  for (int i = 0; i < partitions.cnt; ++i) {
    const rd_kafka_topic_partition_t& each = partitions.elems[i];
    auto partition = std::make_shared<Partition>();
    partition->topic = each.topic;
    partition->number = each.partition;
    const auto route = routes_.find(each.topic);
    partition->route = route == routes_.end() ? each.topic : route->second.name;
    if (route != routes_.end()) partition->at_once = route->second.at_once;
    partition->queue.reset(rd_kafka_queue_get_partition(consumer, each.topic, each.partition));
    // Now, before the driver reads: else its records go to the consumer's queue.
    rd_kafka_queue_forward(partition->queue.get(), nullptr);
    partition->bell = session_->consumer->watch(partition->queue.get());
    partition->ready = true;
    partitions_[Place(each.topic, each.partition)] = std::move(partition);
  }
  Failure failure;
  bool good = true;
  if (is_cooperative()) {
    good = succeeded(rd_kafka_incremental_assign(consumer, &partitions), "cannot take partitions", failure);
  } else if (const auto error = rd_kafka_assign(consumer, &partitions)) {
    good = false;
    failure = driver_failure(error, "cannot take partitions");
  }
  if (!good) sink_.on_error(failure);
  joined_ = true;
  if (listened_ && begun_.empty()) listening();
  if (session_) session_->consumer->wake_again();
}

/// Handlers at work on them are waited for, a while: who gets a partition next begins where we stopped.
void Server::revoke(const rd_kafka_topic_partition_list_t& partitions) {
  revoking_.reset(rd_kafka_topic_partition_list_copy(&partitions));
  for (int i = 0; i < partitions.cnt; ++i) {
    const auto found = partitions_.find(Place(partitions.elems[i].topic, partitions.elems[i].partition));
    if (found != partitions_.end()) found->second->leaving = true;
  }
  // What waits for its next attempt is left to the next member.
  std::erase_if(retries_, [](const auto& item) { return item.second.record->partition->leaving; });
  if (transaction_) transaction_->hurry(true);
  revoke_limit_ = Clock::now() + settings_.rebalance_wait;
  try_revoke(closing_ || rd_kafka_assignment_lost(session_->consumer->get()) != 0);
}

void Server::try_revoke(bool now) {
  for (int i = 0; !now && i < revoking_->cnt; ++i) {
    const auto found = partitions_.find(Place(revoking_->elems[i].topic, revoking_->elems[i].partition));
    if (found != partitions_.end() && found->second->working != 0) return;
  }
  revoked();
}

void Server::revoked() {
  store_offsets();
  static_cast<void>(commit_begun(session_->consumer->get(), begun(), false));
  if (transaction_ && !flushing_) transaction_->hurry(false);
  const PartitionList partitions = std::move(revoking_);
  for (int i = 0; i < partitions->cnt; ++i) {
    const auto found = partitions_.find(Place(partitions->elems[i].topic, partitions->elems[i].partition));
    if (found == partitions_.end()) continue;
    const PartitionPtr partition = found->second;
    if (std::exchange(partition->turns.out, 0) != 0) --busy_;
    partition->go();
    partitions_.erase(found);
  }
  std::erase_if(begun_, [this](const Beginning& each) { return !partitions_.contains(Place(each.topic, each.partition)); });
  rd_kafka_t* const consumer = session_->consumer->get();
  Failure failure;
  bool good = true;
  if (is_cooperative()) {
    good = succeeded(rd_kafka_incremental_unassign(consumer, partitions.get()), "cannot give partitions away", failure);
  } else if (const auto error = rd_kafka_assign(consumer, nullptr)) {
    good = false;
    failure = driver_failure(error, "cannot give partitions away");
  }
  if (!good && !closing_) desk_->report(failure);
}

}  // namespace ferry::kafka
