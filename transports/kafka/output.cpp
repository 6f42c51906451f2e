#include "transports/kafka/output.hpp"

#include "transports/kafka/assignment.hpp"

namespace ferry::kafka {

std::size_t Output::size() const noexcept {
  constexpr std::size_t frame = 128;   // what the protocol adds to a record, at most
  constexpr std::size_t each = 16;     // and to a header
  std::size_t sum = frame + value.size() + (options.key ? options.key->size() : 0);
  for (const auto& [name, text] : headers) sum += each + name.size() + text.size();
  return sum;
}

Trouble Output::send(Session& session, void* opaque, Failure& failure) const {
  rd_kafka_t* const producer = session.producer->get();
  rd_kafka_topic_t* const to = session.topics.open(producer, topic, failure);
  return to == nullptr ? Trouble::lasting : send(producer, to, opaque, failure);
}

Trouble Output::send(rd_kafka_t* producer, rd_kafka_topic_t* to, void* opaque, Failure& failure) const {
  thread_local OutgoingRecord record;
  record.start(to);
  record.set_value({value, absent, ValueForm::plain});
  record.set(options);
  for (const auto& [name, text] : headers) record.headers().add(name, text);
  record.set_opaque(opaque);
  if (produce(producer, record.fields(), failure)) return Trouble::none;
  const Trouble trouble = trouble_of(failure.code);
  const bool alone = rd_kafka_outq_len(producer) == 0;   // what has no room then never has
  return trouble == Trouble::passing && failure.code == errc::overloaded && alone ? Trouble::hopeless : trouble;
}

std::string place_of(const Record& record) {
  return record.partition->topic + "/" + std::to_string(record.message->partition) + "/" + std::to_string(record.message->offset);
}

Output dead_letter(const Record& record, std::string topic, const std::string& cause, std::int64_t attempts) {
  Output out;
  out.topic = std::move(topic);
  out.value = value_of(record.message);
  out.absent = record.message->payload == nullptr;
  if (record.message->key != nullptr) out.options.key = std::string(record.key());
  rd_kafka_headers_t* given = nullptr;
  if (rd_kafka_message_headers(record.message, &given) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(given, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      out.headers.emplace_back(name, std::string(static_cast<const char*>(value), value == nullptr ? 0 : size));
    }
  }
  out.headers.emplace_back("dead-letter-cause", cause);
  out.headers.emplace_back("dead-letter-attempts", std::to_string(attempts));
  out.headers.emplace_back("dead-letter-origin", place_of(record));
  return out;
}

}  // namespace ferry::kafka
