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

/// Sets the offsets at which a group goes on with these partitions. Where it never was, at the end (or the beginning), and
/// that is committed: what comes later is the group's, whether it is there or not.
Fault find_positions(rd_kafka_t* consumer, const LinkSettings& settings, bool from_beginning,
                     rd_kafka_topic_partition_list_t& partitions, const Stopped& stopped);

}  // namespace ferry::kafka
