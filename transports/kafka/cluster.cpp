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
  void operator()(const struct rd_kafka_metadata* metadata) const noexcept { rd_kafka_metadata_destroy(metadata); }
};
using Metadata = std::unique_ptr<const struct rd_kafka_metadata, MetadataDeleter>;

struct AdminOptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* options) const noexcept { rd_kafka_AdminOptions_destroy(options); }
};

int milliseconds(std::chrono::milliseconds value) { return static_cast<int>(std::clamp<std::int64_t>(value.count(), 1, 3600000)); }

/// Slices of a wait that somebody may end: short at first, longer where the brokers are slow.
class Patience {
 public:
  Patience(std::chrono::milliseconds limit, const Stopped& stopped) : end_(Clock::now() + limit), stopped_(stopped) {}

  bool over() const { return stopped_ || Clock::now() >= end_; }
  int next() {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    const int slice = milliseconds(std::min<std::chrono::milliseconds>(left, slice_));
    slice_ = std::min<std::chrono::milliseconds>(slice_ * 2, 2s);
    return slice;
  }

 private:
  const Clock::time_point end_;
  const Stopped& stopped_;
  std::chrono::milliseconds slice_{100};
};

bool is_slow(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT ||
         error == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE || error == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
         error == RD_KAFKA_RESP_ERR__WAIT_COORD || error == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
         error == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || error == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
         error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/// Asks until there is an answer.
template <class F>
rd_kafka_resp_err_t ask(std::chrono::milliseconds limit, const Stopped& stopped, F question) {
  Patience patience(limit, stopped);
  for (;;) {
    const rd_kafka_resp_err_t error = question(patience.next());
    if (!is_slow(error) || patience.over()) return error;
    if (error != RD_KAFKA_RESP_ERR__TIMED_OUT) std::this_thread::sleep_for(look_again);
  }
}

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

Fault create_topics(rd_kafka_t* instance, const LinkSettings& settings, const std::vector<std::string>& names,
                    const Stopped& stopped) {
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
  EventPtr event;
  for (Patience patience(settings.request + 5s, stopped); !event && !patience.over();) {
    event.reset(rd_kafka_queue_poll(queue.get(), std::min(100, patience.next())));
  }
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
Result<std::int32_t> count_partitions(rd_kafka_t* instance, const LinkSettings& settings, const std::string& name, bool wait,
                                      const Stopped& stopped) {
  const TopicPtr topic(rd_kafka_topic_new(instance, name.c_str(), nullptr));
  if (!topic) return driver_failure(rd_kafka_last_error(), "the topic " + name + " cannot be used", Fate::not_sent);
  std::int32_t count = 0;
  bool missing = false;
  const auto error = ask(settings.request, stopped, [&](int limit) {
    const struct rd_kafka_metadata* raw = nullptr;
    const auto fault = rd_kafka_metadata(instance, 0, topic.get(), &raw, limit);
    const Metadata metadata(raw);
    if (fault != RD_KAFKA_RESP_ERR_NO_ERROR) return fault;
    if (metadata->topic_cnt != 1) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    const rd_kafka_metadata_topic& found = metadata->topics[0];
    missing = found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !wait;
    if (missing) return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return found.err;
    if (!is_complete(found)) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    count = found.partition_cnt;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  });
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return count;
  if (!missing) return driver_failure(error, "the topic " + name + " cannot be used", Fate::not_sent);
  return Failure(make_code(error), "the topic " + name + " does not exist, and is not to be created; create it, or set "
                 "allowAutoTopicCreation", Fate::not_sent);
}

}  // namespace

Fault reach_brokers(rd_kafka_t* instance, const LinkSettings& settings, const Stopped& stopped) {
  const auto error = ask(settings.attempt, stopped, [instance](int limit) {
    const struct rd_kafka_metadata* raw = nullptr;
    const auto fault = rd_kafka_metadata(instance, 0, nullptr, &raw, limit);
    const Metadata metadata(raw);
    return fault;
  });
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  Failure failure = driver_failure(error, "cannot connect to kafka://" + settings.brokers, Fate::not_sent);
  failure.code = make_error_code(errc::not_connected);
  return failure;
}

Fault ensure_topics(rd_kafka_t* instance, const LinkSettings& settings, const std::vector<std::string>& names,
                    const Stopped& stopped) {
  if (names.empty()) return {};
  if (settings.create_topics) {
    if (auto fault = create_topics(instance, settings, names, stopped)) return fault;
  }
  for (const std::string& name : names) {
    const auto count = count_partitions(instance, settings, name, settings.create_topics, stopped);
    if (!count) return count.failure();
  }
  return {};
}

Result<std::int32_t> partitions_of(rd_kafka_t* instance, const LinkSettings& settings, const std::string& topic,
                                   const Stopped& stopped) {
  return count_partitions(instance, settings, topic, settings.create_topics, stopped);
}

Result<std::int64_t> end_of(rd_kafka_t* instance, const LinkSettings& settings, const std::string& topic, std::int32_t partition,
                            const Stopped& stopped) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto error = ask(settings.request, stopped, [&](int limit) {
    return rd_kafka_query_watermark_offsets(instance, topic.c_str(), partition, &low, &high, limit);
  });
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return high;
  return driver_failure(error, "cannot find the end of " + topic, Fate::not_sent);
}

Fault find_positions(rd_kafka_t* consumer, const LinkSettings& settings, bool from_beginning,
                     rd_kafka_topic_partition_list_t& partitions, const Stopped& stopped) {
  if (partitions.cnt == 0) return {};
  const auto read = ask(settings.request, stopped, [&](int limit) { return rd_kafka_committed(consumer, &partitions, limit); });
  if (const auto error = read) {
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
  const PartitionList wanted(rd_kafka_topic_partition_list_copy(fresh.get()));
  const auto found = ask(settings.request, stopped, [&](int limit) {
    for (int i = 0; i < fresh->cnt; ++i) fresh->elems[i].offset = wanted->elems[i].offset;   // an answer overwrites the question
    return rd_kafka_offsets_for_times(consumer, fresh.get(), limit);
  });
  if (const auto error = found) {
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
