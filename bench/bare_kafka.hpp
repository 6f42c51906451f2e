#pragma once
// librdkafka as its examples use it: a producer and a consumer, polled by one thread.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace bench {

inline constexpr const char* kafka_id = "kafka_correlationId";
inline constexpr const char* kafka_reply_to = "kafka_replyTopic";
inline constexpr const char* kafka_reply_partition = "kafka_replyPartition";
inline constexpr const char* kafka_over = "kafka_nest-is-disposed";
/// What ferry's service and client have: each partition costs the broker and the driver something.
inline constexpr const char* kafka_topics[] = {"sum", "echo", "raw", "small", "orders", "blobs", "count"};
inline constexpr const char* kafka_reply_topics[] = {"sum.reply", "echo.reply", "raw.reply", "count.reply"};

struct KafkaEnd {
  void operator()(rd_kafka_t* instance) const noexcept { rd_kafka_destroy(instance); }
};

/// A producer, or a consumer of `group`, as ferry's are by default.
class Kafka {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;

  Kafka(rd_kafka_type_t type, std::uint16_t port, Settings more,
        void (*reported)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr, void* self = nullptr) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    more.emplace_back("bootstrap.servers", "127.0.0.1:" + std::to_string(port));
    more.emplace_back("socket.nagle.disable", "true");   // else each request may wait 40 ms
    more.emplace_back("log_level", "3");                 // a broker that has just started is not worth a line
    if (type == RD_KAFKA_PRODUCER) {
      more.emplace_back("enable.idempotence", "true");
      more.emplace_back("acks", "-1");
      more.emplace_back("linger.ms", "0");
    } else {
      more.emplace_back("auto.offset.reset", "earliest");
    }
    std::array<char, 512> why{};
    for (const auto& [name, value] : more) {
      if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK) throw std::runtime_error(why.data());
    }
    if (reported != nullptr) {
      rd_kafka_conf_set_dr_msg_cb(conf, reported);
      rd_kafka_conf_set_opaque(conf, self);
    }
    instance_.reset(rd_kafka_new(type, conf, why.data(), why.size()));
    if (!instance_) throw std::runtime_error(why.data());
    if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(raw());
  }
  rd_kafka_t* raw() const noexcept { return instance_.get(); }

  /// The broker makes topics that are asked for.
  void make(const std::string& topic) const {
    rd_kafka_topic_t* const handle = rd_kafka_topic_new(raw(), topic.c_str(), nullptr);
    for (bool there = false; !there;) {
      const struct rd_kafka_metadata* metadata = nullptr;
      if (rd_kafka_metadata(raw(), 0, handle, &metadata, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      there = metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0;
      rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(handle);
  }

  struct Header {
    const char* name;
    std::string_view value;
  };
  /// False: the queue is full. `partition` -1: the driver chooses. Up to four headers. `opaque` is for the delivery report.
  bool send(const char* topic, int partition, std::string_view value, std::initializer_list<Header> headers, void* opaque = nullptr) const {
    std::array<rd_kafka_vu_t, 9> fields{};
    std::size_t count = 0;
    const auto add = [&](rd_kafka_vtype_t type) -> auto& {
      fields[count].vtype = type;
      return fields[count++].u;
    };
    add(RD_KAFKA_VTYPE_TOPIC).cstr = topic;
    add(RD_KAFKA_VTYPE_PARTITION).i32 = partition;
    add(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
    add(RD_KAFKA_VTYPE_OPAQUE).ptr = opaque;
    auto& memory = add(RD_KAFKA_VTYPE_VALUE).mem;
    memory.ptr = const_cast<char*>(value.data());
    memory.size = value.size();
    for (const Header& each : headers) {
      auto& header = add(RD_KAFKA_VTYPE_HEADER).header;
      header.name = each.name;
      header.val = each.value.data();
      header.size = static_cast<ssize_t>(each.value.size());
    }
    rd_kafka_error_t* const error = rd_kafka_produceva(raw(), fields.data(), count);
    if (error == nullptr) return true;
    const auto code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) return false;
    throw std::runtime_error(rd_kafka_err2str(code));
  }

 private:
  std::unique_ptr<rd_kafka_t, KafkaEnd> instance_;
};

inline std::string_view header_of(const rd_kafka_message_t* message, const char* name) {
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  if (rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return {static_cast<const char*>(value), size};
}

inline std::string_view value_of(const rd_kafka_message_t* message) {
  return {static_cast<const char*>(message->payload), message->payload == nullptr ? 0 : message->len};
}

}  // namespace bench
