#include "transports/kafka/cluster.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
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

/// It is not ours to make: somebody may have made it.
bool is_refusal_to_create(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
}

using Refusals = std::map<std::string, Failure>;   // by topic

Fault create_topics(rd_kafka_t* instance, const LinkSettings& settings, const std::vector<std::string>& names,
                    Refusals& refusals, const Stopped& stopped) {
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
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const std::string name = rd_kafka_topic_result_name(results[i]);
    const char* const words = rd_kafka_topic_result_error_string(results[i]);
    Failure failure = driver_failure(error, "cannot create the topic " + name, Fate::not_sent, words == nullptr ? "" : words);
    if (!is_refusal_to_create(error)) return failure;
    refusals.emplace(name, std::move(failure));
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
  Refusals refusals;
  if (settings.create_topics) {
    if (auto fault = create_topics(instance, settings, names, refusals, stopped)) return fault;
  }
  for (const std::string& name : names) {
    const auto refused = refusals.find(name);
    const auto count = count_partitions(instance, settings, name, settings.create_topics && refused == refusals.end(), stopped);
    if (!count) return refused == refusals.end() ? count.failure() : refused->second;
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

// --- where a group begins -------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view mark = "ferry: begins with ";

/// How many partitions there were when the group began; nothing of what was committed later.
std::optional<std::int32_t> marked(const rd_kafka_topic_partition_t& committed) {
  const std::string_view text(static_cast<const char*>(committed.metadata), committed.metadata == nullptr ? 0 : committed.metadata_size);
  if (!text.starts_with(mark)) return std::nullopt;
  std::int32_t count = 0;
  const auto parsed = std::from_chars(text.data() + mark.size(), text.data() + text.size(), count);
  return parsed.ec == std::errc() ? std::optional(count) : std::nullopt;
}

Fault read_committed(rd_kafka_t* consumer, const LinkSettings& settings, rd_kafka_topic_partition_list_t& list, const Stopped& stopped) {
  auto error = ask(settings.request, stopped, [&](int limit) { return rd_kafka_committed(consumer, &list, limit); });
  for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < list.cnt; ++i) error = list.elems[i].err;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return driver_failure(error, "cannot read the group's offsets", Fate::not_sent);
}

/// The group's offsets of all partitions of a topic.
Fault read_topic(rd_kafka_t* consumer, const LinkSettings& settings, const char* topic, PartitionList& all, const Stopped& stopped) {
  const auto count = partitions_of(consumer, settings, topic, stopped);
  if (!count) return count.failure();
  all.reset(rd_kafka_topic_partition_list_new(*count));
  for (std::int32_t i = 0; i < *count; ++i) rd_kafka_topic_partition_list_add(all.get(), topic, i);
  return read_committed(consumer, settings, *all, stopped);
}

void set_mark(rd_kafka_topic_partition_t& partition, std::int32_t count) {
  const std::string text = begin_mark(count);
  partition.metadata = std::malloc(text.size());   // the list frees it
  if (partition.metadata != nullptr) std::memcpy(partition.metadata, text.data(), text.size());
  partition.metadata_size = partition.metadata == nullptr ? 0 : text.size();
}

}  // namespace

std::string begin_mark(std::int32_t partitions) { return std::string(mark) + std::to_string(partitions); }

bool was_added(const rd_kafka_topic_partition_list_t& committed, std::int32_t partition) {
  bool known = false;
  for (int i = 0; i < committed.cnt; ++i) {
    if (committed.elems[i].offset < 0) continue;
    known = true;
    if (const auto count = marked(committed.elems[i])) return partition >= *count;
  }
  return known;
}

Fault find_positions(rd_kafka_t* consumer, const LinkSettings& settings, bool from_beginning,
                     rd_kafka_topic_partition_list_t& partitions, Beginnings& begun, const Stopped& stopped) {
  if (partitions.cnt == 0) return {};
  if (auto fault = read_committed(consumer, settings, partitions, stopped)) return fault;
  const PartitionList fresh(rd_kafka_topic_partition_list_new(partitions.cnt));
  std::map<std::string, PartitionList> topics;
  for (int i = 0; i < partitions.cnt; ++i) {
    const rd_kafka_topic_partition_t& each = partitions.elems[i];
    if (each.offset >= 0) continue;
    PartitionList& all = topics[each.topic];
    if (!all) {
      if (auto fault = read_topic(consumer, settings, each.topic, all, stopped)) return fault;
    }
    // Instead of a time: the first record there is, or the one to come.
    rd_kafka_topic_partition_list_add(fresh.get(), each.topic, each.partition)->offset =
        from_beginning || was_added(*all, each.partition) ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
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
    begun.push_back({each.topic, each.partition, each.offset, topics.at(each.topic)->cnt});
  }
  return {};
}

Result<bool> commit_begun(rd_kafka_t* consumer, const Beginnings& begun, bool wait) {
  if (begun.empty()) return true;
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(begun.size())));
  for (const Beginning& each : begun) {
    rd_kafka_topic_partition_t* const one = rd_kafka_topic_partition_list_add(list.get(), each.topic.c_str(), each.partition);
    one->offset = each.offset;
    set_mark(*one, each.partitions);
  }
  const auto error = rd_kafka_commit(consumer, list.get(), wait ? 0 : 1);
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return true;
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID: return false;
    default: return driver_failure(error, "cannot commit where the group begins", Fate::not_sent);
  }
}

}  // namespace ferry::kafka
