#pragma once
// Records out: fields gathered for the driver.

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "transports/kafka/handle.hpp"
#include "transports/kafka/record.hpp"

namespace ferry::kafka {

/// A message's own options: NestJS's members beside `value`.
struct RecordOptions {
  std::optional<std::string> key;
  std::int32_t partition = RD_KAFKA_PARTITION_UA;
  std::int64_t timestamp = 0;   // ms; 0: now

  /// Of `{"key": "k", "partition": 1, "timestamp": 0}`, each optional. False, with `failure` set, for anything else.
  static bool read(const nlohmann::json& given, RecordOptions& out, Failure& failure);
};

/// Topics that records go to whose names come with other records. One that the driver was told of by name alone it looks up
/// within a second; of one that was opened it asks the brokers at once.
/// Threads: any.
class Topics {
 public:
  /// Null, with `failure` set, if the driver does not take the name, or there are too many.
  rd_kafka_topic_t* open(rd_kafka_t* producer, const std::string& name, Failure& failure);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, TopicPtr> topics_;
};

/// A record to be sent, as the driver takes it.
using RecordFields = std::span<const rd_kafka_vu_t>;
/// Hands it to the driver, which copies it. False, with `failure` set, if the driver does not take it. `fields` begin with the topic.
/// Threads: any.
bool produce(rd_kafka_t* producer, RecordFields fields, Failure& failure);

/// Makes the fields of one record after the other. What they view must stay until they were used.
/// Threads: one.
class OutgoingRecord {
 public:
  void start(rd_kafka_topic_t* topic);
  /// Its headers, to be added to.
  HeaderList& headers() noexcept { return list_; }
  void set_value(const Value& value);
  void set(const RecordOptions& options);
  void set_key(std::string_view key);
  void set_partition(std::int32_t partition);
  void set_opaque(void* opaque);
  RecordFields fields() const noexcept { return list_.fields(); }

 private:
  rd_kafka_vu_t& add(rd_kafka_vtype_t type);
  HeaderList list_;
};

/// A failed delivery report, in words.
Failure delivery_failure(const rd_kafka_message_t* report, std::string_view what);

}  // namespace ferry::kafka
