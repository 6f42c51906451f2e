#pragma once
// What a service puts out and the offsets of what came in, committed together.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/spi/loop.hpp"
#include "transports/kafka/assignment.hpp"
#include "transports/kafka/cluster.hpp"
#include "transports/kafka/output.hpp"
#include "transports/kafka/worker.hpp"

namespace ferry::kafka {

/// One transaction after the other: what was handled is put into the one that is open, and waits while one is committed.
/// What was aborted is put out again, as long as its partition is ours: handlers do not run again for that. What the driver
/// has no room for waits until what it has is stored.
///
/// The group's generation is that of the transaction's begin. So a member that was shut out meanwhile commits nothing.
/// Threads: the loop; what blocks in the driver is done by the worker.
class Transaction {
 public:
  struct Rules {
    std::chrono::milliseconds interval{};   // between commits
    std::size_t most_records = 0;           // after which to commit at once; 0: no limit
    std::chrono::milliseconds limit{};      // for the brokers to answer
    std::chrono::milliseconds retry_delay{};
  };
  struct Events {
    std::function<void(const Work&)> done;      ///< it was committed, or is not ours any more
    std::function<Work(Work, Trouble)> instead;   ///< of what cannot be stored: what is to go out
    std::function<void(const Failure&)> error;  ///< it goes on
    std::function<void(const Failure&)> over;   ///< the producer can do no more, or another one has taken its place
    std::function<void()> idle;                 ///< nothing is left to be committed
  };

  Transaction(std::shared_ptr<Session> session, const spi::Loop& loop, const Rules& rules, Events events);

  /// Of each partition in the order of the offsets.
  void add(Work work);
  /// Wait for nothing more before a commit: somebody waits for us.
  void hurry(bool on);
  /// Nothing is called any more.
  void shut();
  /// Reports have come: the driver may have room for what it had none for.
  void room();
  bool idle() const noexcept { return state_ == State::idle && waiting_.empty(); }
  std::size_t waiting() const noexcept { return waiting_.size() + current_.size(); }
  /// A delivery report of a record of ours that was not stored: `number` of the record it came from.
  void not_stored(std::uintptr_t number, rd_kafka_resp_err_t error);

 private:
  enum class State : std::uint8_t { idle, open, ending, resting };
  /// How the driver ended a transaction.
  struct Ended {
    enum class How : std::uint8_t { committed, aborted, fatal } how = How::committed;
    Failure failure;
  };

  bool begin();
  void fill();
  bool include(Work& work);
  bool complete() const;
  bool torn() const { return full_ && waiting_.front().sent != 0; }
  void wait_for_more();
  void end();
  void ended(const Ended& ended);
  void again(std::vector<Work> works);
  static Ended commit(const Session& session, const rd_kafka_topic_partition_list_t* offsets,
                      const rd_kafka_consumer_group_metadata_t* group, std::chrono::milliseconds limit, const Stopped& stopped);

  const std::shared_ptr<Session> session_;
  const spi::Loop& loop_;
  std::unique_ptr<Worker> worker_;   // of its own: a commit takes long
  const Rules rules_;
  const Events events_;
  State state_ = State::idle;
  bool hurry_ = false;               // from now on
  bool awaited_ = false;             // this one, by somebody who asked
  bool broken_ = false;              // an output was refused: abort
  bool full_ = false;                // the driver had no room for the first that waits
  bool due_ = false;                 // to be committed as soon as none is in it by half
  std::vector<Work> current_;        // in the transaction
  std::deque<Work> waiting_;         // for room, or for the next one
  std::unordered_map<std::uintptr_t, Trouble> bad_;   // of `current_`, by number: whose outputs cannot be stored
  std::shared_ptr<rd_kafka_consumer_group_metadata_t> group_;
  std::optional<asio::steady_timer> timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

/// Once an instance, before its first transaction. Ends those that an earlier instance with this id has left open.
Fault init_transactions(rd_kafka_t* producer, std::chrono::milliseconds limit, const Stopped& stopped);

}  // namespace ferry::kafka
