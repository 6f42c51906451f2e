#pragma once
// What the brokers are asked: each of these blocks, for a `Worker`'s thread.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "ferry/error.hpp"
#include "transports/kafka/handle.hpp"
#include "transports/kafka/options.hpp"
#include "transports/kafka/worker.hpp"

namespace ferry::kafka {

using Fault = std::optional<Failure>;   ///< nothing: it went well

// Each ends soon once it is stopped.

/// Waits until some broker answers.
Fault reach_brokers(rd_kafka_t* instance, const LinkSettings& settings, const Stopped& stopped);

/// Creates topics that are not there, where that is wanted and allowed, and waits until each can be used.
Fault ensure_topics(rd_kafka_t* instance, const LinkSettings& settings, const std::vector<std::string>& names,
                    const Stopped& stopped);

/// How many partitions a topic has that is there.
Result<std::int32_t> partitions_of(rd_kafka_t* instance, const LinkSettings& settings, const std::string& topic,
                                   const Stopped& stopped);

/// Where the next record of a partition will be.
Result<std::int64_t> end_of(rd_kafka_t* instance, const LinkSettings& settings, const std::string& topic, std::int32_t partition,
                            const Stopped& stopped);

/// Where a group begins with a partition.
struct Beginning {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int32_t partitions = 0;   // of the topic, then
  bool operator==(const Beginning&) const = default;
};
using Beginnings = std::vector<Beginning>;

/// Sets the offsets at which a group goes on with these partitions. Where it never was, at the end (or the beginning): those
/// are in `begun`, too, to be committed. Of a topic that it knows, it reads partitions that were added from their beginning.
Fault find_positions(rd_kafka_t* consumer, const LinkSettings& settings, bool from_beginning,
                     rd_kafka_topic_partition_list_t& partitions, Beginnings& begun, const Stopped& stopped);

/// Commits where a group begins: what comes later is the group's, whether it is there or not. False: the group is just
/// sharing its partitions out, and takes nothing meanwhile.
Result<bool> commit_begun(rd_kafka_t* consumer, const Beginnings& begun, bool wait);

/// Whether a partition that its group has no offset of was added after the group had begun with the topic. `committed`: the
/// group's offsets of all the topic's partitions. Members begin at the same time, each with partitions of its own: so where
/// one begins says how many there were.
bool was_added(const rd_kafka_topic_partition_list_t& committed, std::int32_t partition);
/// The text that a commit has which says where a group begins.
std::string begin_mark(std::int32_t partitions);

}  // namespace ferry::kafka
