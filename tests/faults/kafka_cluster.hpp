#pragma once
// What tests do with a Kafka by librdkafka itself.

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include <librdkafka/rdkafka.h>

namespace ferry::test {

/// An instance of the driver's own.
class Driver {
 public:
  explicit Driver(const std::string& brokers, rd_kafka_type_t type = RD_KAFKA_PRODUCER, const std::string& group = {}) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    std::array<char, 512> why{};
    const auto set = [&](const char* name, const std::string& value) {
      if (rd_kafka_conf_set(conf, name, value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK) throw std::runtime_error(why.data());
    };
    set("bootstrap.servers", brokers);
    set("log_level", "0");
    if (!group.empty()) set("group.id", group);
    instance_ = rd_kafka_new(type, conf, why.data(), why.size());
    if (instance_ == nullptr) throw std::runtime_error(why.data());
  }
  ~Driver() { rd_kafka_destroy(instance_); }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  rd_kafka_t* get() const { return instance_; }

  /// A topic that is there has so many partitions when this returns.
  void add_partitions(const std::string& topic, std::size_t count) const {
    std::array<char, 512> why{};
    rd_kafka_NewPartitions_t* wanted = rd_kafka_NewPartitions_new(topic.c_str(), count, why.data(), why.size());
    const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(rd_kafka_queue_new(instance_), &rd_kafka_queue_destroy);
    rd_kafka_CreatePartitions(instance_, &wanted, 1, nullptr, queue.get());
    rd_kafka_NewPartitions_destroy(wanted);
    const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(rd_kafka_queue_poll(queue.get(), 20000), &rd_kafka_event_destroy);
    if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error("no partitions were added");
  }

  /// Everybody may, or may not, do that with a resource from now on.
  void rule(rd_kafka_ResourceType_t type, const char* name, rd_kafka_AclOperation_t operation, rd_kafka_AclPermissionType_t permission) const {
    std::array<char, 512> why{};
    rd_kafka_AclBinding_t* wanted = rd_kafka_AclBinding_new(type, name, RD_KAFKA_RESOURCE_PATTERN_LITERAL, "User:*", "*", operation, permission,
                                                            why.data(), why.size());
    if (wanted == nullptr) throw std::runtime_error(why.data());
    const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(rd_kafka_queue_new(instance_), &rd_kafka_queue_destroy);
    rd_kafka_CreateAcls(instance_, &wanted, 1, nullptr, queue.get());
    rd_kafka_AclBinding_destroy(wanted);
    const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(rd_kafka_queue_poll(queue.get(), 20000), &rd_kafka_event_destroy);
    if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error("no rule was made");
  }

  /// The group's offset of a partition; negative: none.
  std::int64_t committed(const std::string& topic, std::int32_t partition) const {
    const std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)> list(
        rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy);
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    const auto error = rd_kafka_committed(instance_, list.get(), 20000);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
    return list->elems[0].offset;
  }

 private:
  rd_kafka_t* instance_ = nullptr;
};

}  // namespace ferry::test
