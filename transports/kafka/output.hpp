#pragma once
// What goes out because of a record that came in.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transports/kafka/error.hpp"
#include "transports/kafka/producer.hpp"

namespace ferry::kafka {

struct Record;
using RecordPtr = std::shared_ptr<const Record>;
struct Session;

/// A record that is kept until it may leave.
struct Output {
  std::string topic;
  RecordOptions options;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string value;
  bool absent = false;   // Kafka's null
  bool reply = false;

  /// As the driver counts it against producer.maxMessageBytes, or more.
  std::size_t size() const noexcept;
  /// Hands it to the driver, which copies it. `passing` means that reports of others will make room.
  Trouble send(Session& session, void* opaque, Failure& failure) const;
  /// The same to `to`, whatever `topic` says.
  Trouble send(rd_kafka_t* producer, rd_kafka_topic_t* to, void* opaque, Failure& failure) const;
};

/// A record that was handled, and what is to go out before it counts as done.
struct Work {
  RecordPtr record;
  std::int64_t attempts = 0;
  std::vector<Output> outputs;
  bool buried = false;   // they are its dead letter
  std::size_t sent = 0;  // of the outputs, those that the driver has
};

/// The record as it came, with what became of it, for the topic of dead letters.
Output dead_letter(const Record& record, std::string topic, const std::string& cause, std::int64_t attempts);
/// What a delivery report has of its record: the number of the one that came in.
constexpr std::uintptr_t opaque_of(std::uintptr_t number, bool output) noexcept { return number << 1 | (output ? 1U : 0U); }
/// "topic/partition/offset"
std::string place_of(const Record& record);

}  // namespace ferry::kafka
