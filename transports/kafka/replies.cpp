#include "transports/kafka/replies.hpp"

#include <utility>

#include "transports/kafka/error.hpp"
#include "transports/kafka/record.hpp"

namespace ferry::kafka {

Replies::Replies(const ClientSettings& settings, const spi::Loop& loop, Events events)
    : settings_(settings), loop_(loop), events_(std::move(events)) {}

Replies::~Replies() { release(); }

std::shared_ptr<Handle> Replies::handle(Failure& failure) {
  if (handle_) return handle_;
  handle_ = Handle::make(RD_KAFKA_CONSUMER, settings_.reader, RD_KAFKA_EVENT_FETCH, loop_, failure);
  if (handle_) handle_->open([this] { serve(); });
  return handle_;
}

bool Replies::add(const std::string& topic, std::int32_t partition, std::int64_t offset, Failure& failure) {
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  return succeeded(rd_kafka_incremental_assign(handle_->get(), list.get()), "cannot read " + topic, failure);
}

void Replies::hold(bool held) {
  held_ = held;
  if (!held && handle_) handle_->wake_again();
}

std::shared_ptr<Handle> Replies::release() {
  if (handle_) handle_->shut();
  return std::exchange(handle_, nullptr);
}

/// While held, replies stay in the driver's queue, which has its bound.
void Replies::serve() {
  const std::shared_ptr<Handle> handle = handle_;
  while (handle_ == handle && !held_) {
    const EventPtr event(rd_kafka_queue_poll(handle->events(), 0));
    if (!event) return;
    take(event.get());
  }
}

void Replies::take(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
      while (const rd_kafka_message_t* record = rd_kafka_event_message_next(event)) {
        if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR) take_reply(record);
        else events_.error(driver_failure(record->err, "cannot read replies"));
      }
      return;
    case RD_KAFKA_EVENT_ERROR: {
      const auto code = rd_kafka_event_error(event);
      const Failure failure = driver_failure(code, "reading replies", Fate::unknown, rd_kafka_event_error_string(event));
      if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || rd_kafka_event_error_is_fatal(event)) return events_.gone(failure);
      if (code == RD_KAFKA_RESP_ERR__TRANSPORT) return;   // one broker's, and the driver connects again
      return events_.error(failure);
    }
    default: return;
  }
}

void Replies::take_reply(const rd_kafka_message_t* record) {
  const RecordHeaders headers(record);
  const auto& known = headers.known();
  if (!known.id) return;
  spi::ReplyView reply;
  reply.id = *known.id;
  if (known.error) {
    reply.failed = true;
    reply.last = true;
    reply.error = read_error(*known.error, error_);
    return events_.reply(reply);
  }
  reply.last = known.disposed.has_value();
  const ValueForm form = known.form;
  if (record->payload == nullptr && form != ValueForm::json) {
    // NestJS's null: the end of a stream, or of a handler without a result.
    reply.has_value = !reply.last;
    reply.value = "null";
    return events_.reply(reply);
  }
  reply.has_value = true;
  reply.value = record->payload == nullptr ? "null" : read_value(value_of(record), form, value_);
  events_.reply(reply);
}

}  // namespace ferry::kafka
