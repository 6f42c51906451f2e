#pragma once
// Records on their way to the driver, gathered while others are on theirs to the brokers.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/spi/loop.hpp"
#include "transports/kafka/handle.hpp"
#include "transports/kafka/producer.hpp"

namespace ferry::kafka {

/// Copies of records, one after another in memory that is used again.
class RecordBatch {
 public:
  void add(RecordFields record);
  std::size_t count() const noexcept { return ends_.size(); }
  std::size_t bytes() const noexcept { return bytes_.size(); }
  /// The record `index` < `count`. It stays until the next call.
  RecordFields record(std::size_t index);
  void clear();

 private:
  std::string bytes_;                   // what fields point to
  std::vector<rd_kafka_vu_t> fields_;   // a pointer is 1 + the offset in `bytes_`
  std::vector<std::size_t> ends_;       // of each record in `fields_`
  std::vector<rd_kafka_vu_t> record_;   // the last that was asked for
};

/// A request to a broker costs it some 0.5 ms however few records it has, and the driver makes one as soon as it has a record.
/// So a record leaves at the end of the loop's turn while none is unconfirmed, and else with those that come until all are
/// confirmed, or `most_records`, `most_bytes` or `longest` is reached: what Nagle's algorithm is to TCP.
///
/// Lifetime: shared; what is posted holds it weakly. The topics of records outlive it.
/// Threads:  `add` any, the rest on the loop.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  static constexpr std::size_t most_records = 256;
  static constexpr std::size_t most_bytes = 262144;
  static constexpr std::chrono::milliseconds longest{2};   // a broker out of reach holds up what goes to others no longer

  /// A record that the driver did not take, and why. Told on the loop, not from inside of `add`.
  using Refused = std::function<void(RecordFields record, const Failure& failure)>;
  /// What becomes of those that the driver has no room for: others may have room again, so that a stream would have a hole.
  enum class WhenFull : std::uint8_t { refuse, wait };

  Outbox(const spi::Loop& loop, std::shared_ptr<Handle> producer, WhenFull when_full, Refused refused);

  void add(const OutgoingRecord& record);
  /// A delivery report came of a record that was added, whatever it says.
  void reported();
  /// Nothing waits any longer, but for room.
  void flush() { send(); }
  /// The driver has all.
  bool empty();
  /// Calls nothing any more, and forgets what waits. What is added after leaves at once, and nobody is told if the driver does
  /// not take it.
  void shut();

 private:
  enum class State : std::uint8_t { idle, posted, holding };   // nothing is to be done; a turn will come; records wait

  void post();
  void turn(bool due);
  void hold();
  void send();
  void keep(std::size_t from);
  bool is_shut();
  bool full() const noexcept { return !no_room_ && (batch_.count() >= most_records || batch_.bytes() >= most_bytes); }

  const std::shared_ptr<Handle> producer_;
  const WhenFull when_full_;
  const Refused refused_;
  std::mutex mutex_;       // guards the next four
  const spi::Loop* loop_;  // null: shut
  State state_ = State::idle;
  RecordBatch batch_;
  bool no_room_ = false;   // for the first of it
  RecordBatch leaving_;
  std::size_t unconfirmed_ = 0;
  std::vector<std::pair<RecordBatch, Failure>> refusals_;   // that were not told yet
  std::optional<asio::steady_timer> timer_;
};

}  // namespace ferry::kafka
