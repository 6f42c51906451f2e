#pragma once
// What a service has of its group's partitions, and the records of them that are being worked on.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "transports/kafka/handle.hpp"
#include "transports/kafka/offset_ledger.hpp"
#include "transports/kafka/producer.hpp"

namespace ferry::kafka {

/// A consumer and the producer its answers go out by. Whoever holds a record holds this.
struct Session {
  std::shared_ptr<Handle> consumer;
  std::shared_ptr<Handle> producer;
  Topics topics;   // of the producer
};

/// A partition while it is ours. It has a queue of its own: what is not taken from there stays in the driver, within the
/// driver's bound, and holds no other partition up.
struct Partition {
  std::string topic;
  std::int32_t number = 0;
  std::string route;
  QueuePtr queue;
  OffsetLedger ledger;
  std::size_t working = 0; // records that handlers have
  bool ready = false;      // its position is known, and the driver reads
  bool busy = false;       // an event is being handled, and the next one waits for it
  bool held = false;       // by a handler's `pause`
  bool leaving = false;    // it is being given away
  bool gone = false;       // it was: nothing of it may be committed any more
  bool unstored = false;   // more may be committed than the driver was told
};
using PartitionPtr = std::shared_ptr<Partition>;

/// A record of a partition.
struct Record {
  Record(std::shared_ptr<Session> s, PartitionPtr p, EventPtr e, const rd_kafka_message_t* m)
      : session(std::move(s)), partition(std::move(p)), event(std::move(e)), message(m) {}
  std::shared_ptr<Session> session;   // outlives the event
  PartitionPtr partition;
  EventPtr event;
  const rd_kafka_message_t* message;  // the event's
};
using RecordPtr = std::shared_ptr<const Record>;

}  // namespace ferry::kafka
