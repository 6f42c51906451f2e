#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include "transports/nats/connection.hpp"
#include "transports/nats/delivery.hpp"
#include "transports/nats/inbox.hpp"
#include "transports/nats/options.hpp"

namespace ferry::nats {

class StoredEvent;

/// Fetches a route's events from the stream, and tells the stream what became of them.
///
/// - It asks for a batch at a time, when no more than half a batch is at work. The stream sends heartbeats while it has
///   nothing; when they stay away the question is asked again.
/// - An event at work is reported as such before `ackWait` is over, however long its handler takes.
/// - An acknowledgement that finds no connection is sent over the next one.
///
/// Lifetime: shared with the events it brought. It lasts longer than connections: `start` and `leave` come and go.
/// Threads:  `settle` any; the rest on the loop.
class Consumer : public std::enable_shared_from_this<Consumer> {
 public:
  struct Events {
    /// An event, how much of its subject comes before the route's, who settles it, and the route.
    std::function<void(MessagePtr, std::size_t, std::shared_ptr<Settler>, std::string_view)> take;
    /// It gets nothing any more: the consumer or the stream is gone.
    std::function<void(const Failure&)> broken;
  };

  Consumer(std::shared_ptr<LiveMessages> live, const StreamSettings& settings, std::string route, Events events);
  ~Consumer();

  void start(std::shared_ptr<Connection> connection, Inbox& inbox);
  /// Looks for what the connection brought.
  void drain();
  void pause(bool paused);
  /// Fetches nothing more, and gives back what nobody has seen. Events at work are still settled.
  void stop();
  /// The connection is gone, or going.
  void leave();
  /// For good.
  void end();

 private:
  friend class StoredEvent;

  void fetch();
  void take(natsMsg* raw);
  void take_status(natsMsg* message);
  void hand_on(MessagePtr message);
  void hand_on_held();
  void tick();
  void arm();
  void settle(StoredEvent& event, NatsDelivery& delivery, spi::Settlement outcome);
  void tell(const std::string& ack_subject, std::string_view word);
  void bury(const std::shared_ptr<StoredEvent>& event, const spi::DeliveryPtr& delivery, std::string cause);
  void buried(StoredEvent& event, const natsMsg* answer);
  void ask_again(const std::string& ack_subject);
  void forget(StoredEvent& event) noexcept;

  const std::shared_ptr<LiveMessages> live_;
  const StreamSettings settings_;
  const std::string route_;
  const std::string question_;          // where batches are asked for
  Events events_;
  std::optional<asio::steady_timer> timer_;   // until `end`: events may outlive the loop

  std::shared_ptr<Connection> connection_;
  Inbox* inbox_ = nullptr;
  natsSubscription* subscription_ = nullptr;
  std::string answers_;                 // where batches come to: one more token is to follow
  std::uint64_t question_number_ = 0;
  std::size_t expected_ = 0;            // of the batch that was asked for
  std::chrono::steady_clock::time_point heard_;
  int silences_ = 0;                    // in a row
  bool paused_ = false;
  bool stopped_ = true;
  std::deque<MessagePtr> held_;         // while paused; no more than a batch
  std::unordered_set<StoredEvent*> working_;

  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> untold_;   // acknowledgements that found no connection
};

/// One of its events.
class StoredEvent final : public Settler, public std::enable_shared_from_this<StoredEvent> {
 public:
  StoredEvent(std::shared_ptr<Consumer> consumer, std::string ack_subject, std::uint64_t deliveries, std::uint64_t sequence)
      : consumer_(std::move(consumer)), ack_subject_(std::move(ack_subject)), deliveries_(deliveries), sequence_(sequence) {}

  void settle(NatsDelivery& delivery, spi::Settlement outcome) override {
    if (!settled_.exchange(true)) consumer_->settle(*this, delivery, outcome);
  }
  void forget(NatsDelivery&) noexcept override { consumer_->forget(*this); }
  std::uint32_t deliveries() const noexcept override { return static_cast<std::uint32_t>(deliveries_); }

 private:
  friend class Consumer;
  const std::shared_ptr<Consumer> consumer_;
  const std::string ack_subject_;
  const std::uint64_t deliveries_;   // this one included
  const std::uint64_t sequence_;
  std::atomic<bool> settled_{false};
};

}  // namespace ferry::nats
