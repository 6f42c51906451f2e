#pragma once
// What a service has of its group's partitions, and the records of them that are being worked on.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/detail/pool.hpp"
#include "ferry/spi/delivery.hpp"

#include "transports/kafka/handle.hpp"
#include "transports/kafka/offset_ledger.hpp"
#include "transports/kafka/outbox.hpp"
#include "transports/kafka/output.hpp"
#include "transports/kafka/producer.hpp"

namespace ferry::kafka {

/// A consumer and the producer its answers go out by. Whoever holds a record holds this.
struct Session {
  std::shared_ptr<Handle> consumer;
  std::shared_ptr<Handle> producer;
  Topics topics;   // of the producer
  std::shared_ptr<Outbox> outbox;   // for answers
  std::atomic<std::size_t> unconfirmed_bytes{0};   // of answers that the driver has

  static std::size_t bytes_of_answer(std::size_t value) noexcept { return value + answer_frame; }
};

/// An event that waits for its turn.
struct Waiting {
  RecordPtr record;
  spi::DeliveryPtr delivery;
};

/// The events of one key that are being handled, and those that wait for them.
struct Turns {
  std::size_t out = 0;
  std::size_t retried = 0;      // of those, such as failed before: nothing may overtake them
  std::deque<Waiting> waiting;
};

/// A partition while it is ours. It has a queue of its own: what is not taken from there stays in the driver, within the
/// driver's bound, and holds no other partition up.
struct Partition {
  std::string topic;
  std::int32_t number = 0;
  std::string route;
  QueuePtr queue;
  std::shared_ptr<Bell> bell;   // the queue's
  OffsetLedger ledger;
  std::size_t working = 0; // records that handlers have, or whose outputs are on their way
  bool ready = false;      // its position is known, and the driver reads
  std::size_t at_once = 1; // events that may be handled before the next one's turn: a batch handler takes several
  Turns turns;             // in the order of the partition; those that wait are still in the queue
  std::map<std::string, Turns, std::less<>> keys;   // in the order of keys
  std::deque<Waiting> due; // the turn is theirs
  std::map<std::int64_t, Work> handled;   // by offset: in a transaction, what waits for those before it
  bool held = false;       // by a handler's `pause`
  bool leaving = false;    // it is being given away
  bool gone = false;       // it was: nothing of it may be committed any more
  bool unstored = false;   // more may be committed than the driver was told

  /// It is not ours any more. What waits refers to it in turn.
  void go() {
    gone = true;
    keys.clear();
    due.clear();
    handled.clear();
    if (queue) Handle::unwatch(queue.get());
    queue.reset();
  }
};
using PartitionPtr = std::shared_ptr<Partition>;

/// Memory of the pool, for what is shared.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}   // NOLINT(google-explicit-constructor): what allocators are converted by
  T* allocate(std::size_t count) { return static_cast<T*>(detail::pool_allocate(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { detail::pool_free(memory, count * sizeof(T)); }
  friend bool operator==(PoolAllocator, PoolAllocator) noexcept { return true; }
};

/// A record of a partition.
struct Record {
  Record(std::uintptr_t n, std::shared_ptr<Session> s, PartitionPtr p, EventPtr e, const rd_kafka_message_t* m)
      : number(n), session(std::move(s)), partition(std::move(p)), event(std::move(e)), message(m) {}
  const std::uintptr_t number;        // of its service's
  std::shared_ptr<Session> session;   // outlives the event
  PartitionPtr partition;
  EventPtr event;
  const rd_kafka_message_t* message;  // the event's
  mutable std::atomic<std::uint32_t> answers{0};   // handed to the driver
  mutable bool has_turn = false;      // an event on whose end others wait; the service's, on its loop
  mutable bool retried = false;       // it has, and failed before

  std::string_view key() const noexcept {
    return {static_cast<const char*>(message->key), message->key == nullptr ? 0 : message->key_len};
  }
};

}  // namespace ferry::kafka
