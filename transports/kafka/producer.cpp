#include "transports/kafka/producer.hpp"

#include "transports/kafka/error.hpp"

namespace ferry::kafka {
namespace {

bool refuse(std::string_view member, std::string_view why, Failure& failure) {
  failure = Failure(errc::bad_payload, "the record option \"" + std::string(member) + "\" " + std::string(why), Fate::not_sent);
  return false;
}

}  // namespace

bool RecordOptions::read(const nlohmann::json& given, RecordOptions& out, Failure& failure) {
  if (!given.is_object()) {
    failure = Failure(errc::bad_payload, "a record's options are an object, not " + given.dump(), Fate::not_sent);
    return false;
  }
  for (const auto& [name, value] : given.items()) {
    if (name == "key") {
      if (!value.is_null()) out.key = value.is_string() ? value.get<std::string>() : value.dump();
    } else if (name == "partition") {
      if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > INT32_MAX) {
        return refuse(name, "is the number of a partition", failure);
      }
      out.partition = value.get<std::int32_t>();
    } else if (name == "timestamp") {
      if (!value.is_number_integer() || value.get<std::int64_t>() <= 0) {
        return refuse(name, "is a time in milliseconds since 1970", failure);
      }
      out.timestamp = value.get<std::int64_t>();
    } else {
      return refuse(name, "is none; there are key, partition and timestamp", failure);
    }
  }
  return true;
}

rd_kafka_topic_t* Topics::open(rd_kafka_t* producer, const std::string& name, Failure& failure) {
  constexpr std::size_t most = 10000;   // a peer names them
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second.get();
  if (topics_.size() >= most) {
    failure = Failure(errc::overloaded, "too many topics for replies", Fate::not_sent);
    return nullptr;
  }
  TopicPtr topic(rd_kafka_topic_new(producer, name.c_str(), nullptr));
  if (!topic) {
    failure = driver_failure(rd_kafka_last_error(), "\"" + name.substr(0, 300) + "\" cannot be a topic", Fate::not_sent);
    return nullptr;
  }
  return topics_.emplace(name, std::move(topic)).first->second.get();
}

rd_kafka_vu_t& OutgoingRecord::add(rd_kafka_vtype_t type) {
  rd_kafka_vu_t& field = list_.fields().emplace_back();
  field.vtype = type;
  return field;
}

void OutgoingRecord::start(rd_kafka_topic_t* topic) {
  list_.clear();
  add(RD_KAFKA_VTYPE_RKT).u.rkt = topic;
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
}

void OutgoingRecord::set_value(const Value& value) {
  auto& memory = add(RD_KAFKA_VTYPE_VALUE).u.mem;
  // An empty value is not a null one: the driver tells them by the pointer.
  memory.ptr = value.absent ? nullptr : const_cast<char*>(value.bytes.empty() ? "" : value.bytes.data());
  memory.size = value.absent ? 0 : value.bytes.size();
}

void OutgoingRecord::set_key(std::string_view key) {
  auto& memory = add(RD_KAFKA_VTYPE_KEY).u.mem;
  memory.ptr = const_cast<char*>(key.empty() ? "" : key.data());
  memory.size = key.size();
}

void OutgoingRecord::set_partition(std::int32_t partition) { add(RD_KAFKA_VTYPE_PARTITION).u.i32 = partition; }

void OutgoingRecord::set(const RecordOptions& options) {
  if (options.key) set_key(*options.key);
  if (options.partition != RD_KAFKA_PARTITION_UA) set_partition(options.partition);
  if (options.timestamp != 0) add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = options.timestamp;
}

void OutgoingRecord::set_opaque(void* opaque) { add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = opaque; }

bool produce(rd_kafka_t* producer, RecordFields fields, Failure& failure) {
  rd_kafka_error_t* const error = rd_kafka_produceva(producer, fields.data(), fields.size());
  if (error == nullptr) return true;
  const auto code = rd_kafka_error_code(error);
  std::string what = std::string("a record for ") + rd_kafka_topic_name(fields.front().u.rkt) + " was not taken";
  if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) what += "; send less at a time, or raise producer.maxBufferedMessages and maxBufferedBytes";
  if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) what += "; send less, or raise producer.maxMessageBytes and the brokers' limits";
  failure = driver_failure(code, what, Fate::not_sent);
  rd_kafka_error_destroy(error);
  return false;
}

Failure delivery_failure(const rd_kafka_message_t* report, std::string_view what) {
  Fate fate = Fate::unknown;
  switch (rd_kafka_message_status(report)) {
    case RD_KAFKA_MSG_STATUS_NOT_PERSISTED: fate = Fate::not_sent; break;
    case RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED: fate = Fate::unknown; break;
    case RD_KAFKA_MSG_STATUS_PERSISTED: fate = Fate::confirmed; break;
  }
  return driver_failure(report->err, what, fate, report->rkt == nullptr ? "" : rd_kafka_topic_name(report->rkt));
}

}  // namespace ferry::kafka
