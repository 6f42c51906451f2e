#pragma once
// One of the driver's instances, a producer or a consumer, with its queues on a loop.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/kafka/options.hpp"

namespace ferry::kafka {

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const noexcept { rd_kafka_queue_destroy(queue); }
};
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;

struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const noexcept { rd_kafka_event_destroy(event); }
};
using EventPtr = std::unique_ptr<rd_kafka_event_t, EventDeleter>;

struct TopicDeleter {
  void operator()(rd_kafka_topic_t* topic) const noexcept { rd_kafka_topic_destroy(topic); }
};
using TopicPtr = std::unique_ptr<rd_kafka_topic_t, TopicDeleter>;

struct PartitionListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const noexcept { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListDeleter>;

/// True for "no error". Ends the driver's error object.
bool succeeded(rd_kafka_error_t* error, std::string_view what, Failure& failure);

/// Brings the driver's "there is something" to a loop: one post, however many queues say so.
class Waker;
/// Says whether there may be something in a queue.
/// Threads: any.
class Bell {
 public:
  bool rung() const noexcept { return rung_.load(std::memory_order_acquire); }
  void ring() noexcept { rung_.store(true, std::memory_order_release); }
  void answer() noexcept { rung_.store(false, std::memory_order_release); }

 private:
  friend class Handle;
  std::atomic<bool> rung_{true};   // what was there before it was hung up
  std::shared_ptr<Waker> waker_;
};

/// Waits for instances to be gone.
class Farewell;

/// Lifetime: shared by all who hold something of the instance's, records above all: it cannot end before them. The last
///           pointer may go on any thread; the instance then ends on a thread of its own, for that takes its time.
/// Threads:  `get` any; the rest on the loop.
class Handle {
 public:
  /// Null, with `failure` set, if the driver refuses the properties. `events`: RD_KAFKA_EVENT_*, errors are always.
  static std::shared_ptr<Handle> make(rd_kafka_type_t type, const Properties& properties, int events, const spi::Loop& loop,
                                      Failure& failure);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  rd_kafka_t* get() const noexcept { return instance_; }
  /// What the driver has to say: of a consumer its consumer queue, which gets the rest as well.
  rd_kafka_queue_t* events() const noexcept { return events_.get(); }
  /// The place for `NativeHandle`: valid as long as this.
  rd_kafka_t** place() noexcept { return &instance_; }

  /// From now on `wake` is called on the loop when something was put on an empty queue that is watched. Queues must be
  /// emptied then, or `wake_again` called.
  void open(std::function<void()> wake);
  /// The bell must be there until `unwatch`.
  std::shared_ptr<Bell> watch(rd_kafka_queue_t* queue) const;
  static void unwatch(rd_kafka_queue_t* queue);
  void wake_again() const;
  /// Nothing is called any more.
  void shut() noexcept;
  /// No more use of the event queue: of a consumer the driver wants it back before it closes.
  void release_events() { events_.reset(); }

 private:
  friend class Farewell;
  Handle(rd_kafka_t* instance, std::shared_ptr<Waker> waker) noexcept;

  rd_kafka_t* instance_;
  QueuePtr events_;
  std::shared_ptr<Waker> waker_;
  std::shared_ptr<Farewell> farewell_;
};

/// Lets go of the handles, and calls `done` on the loop when their instances are gone, or after `limit`: who still holds a
/// record keeps its instance.
void end_handles(std::vector<std::shared_ptr<Handle>> handles, const spi::Loop& loop, std::chrono::milliseconds limit,
                 std::function<void()> done);

}  // namespace ferry::kafka
