#include "transports/kafka/cluster.hpp"

#include <algorithm>
#include <memory>
#include <thread>

#include "transports/kafka/error.hpp"

namespace ferry::kafka {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto look_again = 10ms;   // a topic was made, and not all brokers know

struct MetadataDeleter {
  void operator()(const rd_kafka_metadata* metadata) const noexcept { rd_kafka_metadata_destroy(metadata); }
};
using Metadata = std::unique_ptr<const rd_kafka_metadata, MetadataDeleter>;

struct AdminOptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* options) const noexcept { rd_kafka_AdminOptions_destroy(options); }
};

int milliseconds(std::chrono::milliseconds value) { return static_cast<int>(std::clamp<std::int64_t>(value.count(), 1, 3600000)); }

std::chrono::milliseconds until(Clock::time_point when) { return std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now()); }

/// It may be there already, or not be ours to make: whether it can be used shows later.
bool may_be_there(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return true;
    default: return false;
  }
}

Fault create_topics(rd_kafka_t* instance, const LinkSettings& settings, const std::vector<std::string>& names) {
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const std::string& name : names) {
    rd_kafka_NewTopic_t* const topic = rd_kafka_NewTopic_new(name.c_str(), settings.partitions, settings.replicas, nullptr, 0);
    if (topic != nullptr) wanted.push_back(topic);
  }
  const std::unique_ptr<rd_kafka_AdminOptions_t, AdminOptionsDeleter> options(
      rd_kafka_AdminOptions_new(instance, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), milliseconds(settings.request), nullptr, 0);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), milliseconds(settings.request), nullptr, 0);
  const QueuePtr queue(rd_kafka_queue_new(instance));
  rd_kafka_CreateTopics(instance, wanted.data(), wanted.size(), options.get(), queue.get());
  const EventPtr event(rd_kafka_queue_poll(queue.get(), milliseconds(settings.request + 5s)));
  rd_kafka_NewTopic_destroy_array(wanted.data(), wanted.size());
  if (!event) return driver_failure(RD_KAFKA_RESP_ERR__TIMED_OUT, "cannot create topics", Fate::not_sent);
  if (const auto error = rd_kafka_event_error(event.get())) {
    return driver_failure(error, "cannot create topics", Fate::not_sent, rd_kafka_event_error_string(event.get()));
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto error = rd_kafka_topic_result_error(results[i]);
    if (may_be_there(error)) continue;
    const char* const words = rd_kafka_topic_result_error_string(results[i]);
    return driver_failure(error, std::string("cannot create the topic ") + rd_kafka_topic_result_name(results[i]),
                          Fate::not_sent, words == nullptr ? "" : words);
  }
  return {};
}

bool is_complete(const rd_kafka_metadata_topic& topic) {
  return topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && topic.partition_cnt > 0 &&
         std::all_of(topic.partitions, topic.partitions + topic.partition_cnt,
                     [](const rd_kafka_metadata_partition& each) { return each.leader >= 0; });
}

/// Of a topic that was just made, the broker that is asked may not know yet.
Result<std::int32_t> count_partitions(rd_kafka_t* instance, const LinkSettings& settings, const std::string& name, bool wait) {
  const TopicPtr topic(rd_kafka_topic_new(instance, name.c_str(), nullptr));
  if (!topic) return driver_failure(rd_kafka_last_error(), "the topic " + name + " cannot be used", Fate::not_sent);
  const auto limit = Clock::now() + settings.request;
  for (;;) {
    const rd_kafka_metadata* raw = nullptr;
    auto error = rd_kafka_metadata(instance, 0, topic.get(), &raw, milliseconds(until(limit)));
    const Metadata metadata(raw);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      if (is_complete(metadata->topics[0])) return metadata->topics[0].partition_cnt;
      error = metadata->topics[0].err;
      const bool missing = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
      if (missing && !wait) {
        return Failure(make_code(error), "the topic " + name + " does not exist, and is not to be created; create it, or set "
                       "allowAutoTopicCreation", Fate::not_sent);
      }
    }
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || until(limit) <= 0ms) {
      return driver_failure(error == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_RESP_ERR__TIMED_OUT : error,
                            "the topic " + name + " cannot be used", Fate::not_sent);
    }
    std::this_thread::sleep_for(look_again);
  }
}

}  // namespace

Fault reach_brokers(rd_kafka_t* instance, const LinkSettings& settings) {
  const rd_kafka_metadata* raw = nullptr;
  const auto error = rd_kafka_metadata(instance, 0, nullptr, &raw, milliseconds(settings.attempt));
  const Metadata metadata(raw);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  Failure failure = driver_failure(error, "cannot connect to kafka://" + settings.brokers, Fate::not_sent);
  failure.code = make_error_code(errc::not_connected);
  return failure;
}

Fault ensure_topics(rd_kafka_t* instance, const LinkSettings& settings, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  if (settings.create_topics) {
    if (auto fault = create_topics(instance, settings, names)) return fault;
  }
  for (const std::string& name : names) {
    const auto count = count_partitions(instance, settings, name, settings.create_topics);
    if (!count) return count.failure();
  }
  return {};
}

Result<std::int32_t> partitions_of(rd_kafka_t* instance, const LinkSettings& settings, const std::string& topic) {
  return count_partitions(instance, settings, topic, false);
}

Result<std::int64_t> end_of(rd_kafka_t* instance, const LinkSettings& settings, const std::string& topic, std::int32_t partition) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto error =
      rd_kafka_query_watermark_offsets(instance, topic.c_str(), partition, &low, &high, milliseconds(settings.request));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return high;
  return driver_failure(error, "cannot find the end of " + topic, Fate::not_sent);
}

Fault find_positions(rd_kafka_t* consumer, const LinkSettings& settings, bool from_beginning,
                     rd_kafka_topic_partition_list_t& partitions) {
  if (partitions.cnt == 0) return {};
  const int limit = milliseconds(settings.request);
  if (const auto error = rd_kafka_committed(consumer, &partitions, limit)) {
    return driver_failure(error, "cannot read the group's offsets", Fate::not_sent);
  }
  const PartitionList fresh(rd_kafka_topic_partition_list_new(partitions.cnt));
  for (int i = 0; i < partitions.cnt; ++i) {
    const rd_kafka_topic_partition_t& each = partitions.elems[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) return driver_failure(each.err, "cannot read the group's offsets", Fate::not_sent);
    if (each.offset >= 0) continue;
    // Instead of a time: the first record there is, or the one to come.
    rd_kafka_topic_partition_list_add(fresh.get(), each.topic, each.partition)->offset =
        from_beginning ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
  }
  if (fresh->cnt == 0) return {};
  if (const auto error = rd_kafka_offsets_for_times(consumer, fresh.get(), limit)) {
    return driver_failure(error, "cannot find where to begin", Fate::not_sent);
  }
  for (int i = 0; i < fresh->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = fresh->elems[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) return driver_failure(each.err, "cannot find where to begin", Fate::not_sent);
    rd_kafka_topic_partition_list_find(&partitions, each.topic, each.partition)->offset = each.offset;
  }
  const auto error = rd_kafka_commit(consumer, fresh.get(), 0);
  // Another rebalance is on its way, which begins again.
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
      error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID) return {};
  return driver_failure(error, "cannot commit where the group begins", Fate::not_sent);
}

}  // namespace ferry::kafka
