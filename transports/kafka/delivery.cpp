#include "transports/kafka/delivery.hpp"

#include <charconv>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "ferry/detail/json_writer.hpp"
#include "transports/common/extension.hpp"
#include "transports/kafka/error.hpp"
#include "transports/kafka/producer.hpp"

namespace ferry::kafka {
namespace {

using namespace std::chrono_literals;

/// What clocks of hosts may differ by. A request this much older than its caller waits is one that lay in its topic.
constexpr auto clock_difference = 60s;

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

// --- Desk -----------------------------------------------------------------------------------------------------------

void Desk::close() {
  const std::lock_guard lock(mutex_);
  owner_ = nullptr;
}

template <class F>
void Desk::post(F&& function) {
  const std::lock_guard lock(mutex_);
  if (owner_ == nullptr) return;
  loop_.post([self = shared_from_this(), function = std::forward<F>(function)]() mutable {
    if (self->owner_ != nullptr) function(*self->owner_);
  });
}

void Desk::settle(RecordPtr record, std::int64_t attempts, spi::Settlement outcome) {
  if (loop_.in_loop()) {
    if (owner_ != nullptr) owner_->settled(record, attempts, outcome);
    return;
  }
  post([record = std::move(record), attempts, outcome](Owner& owner) { owner.settled(record, attempts, outcome); });
}

void Desk::hold(PartitionPtr partition, bool held) {
  post([partition = std::move(partition), held](Owner& owner) { owner.hold(partition, held); });
}

void Desk::report(Failure failure) {
  post([failure = std::move(failure)](Owner& owner) { owner.report(failure); });
}

// --- KafkaDelivery --------------------------------------------------------------------------------------------------

KafkaDelivery::KafkaDelivery(std::shared_ptr<Desk> desk, RecordPtr record, std::int64_t attempts)
    : Delivery(desk->loop(), desk->serializer()), desk_(std::move(desk)), record_(std::move(record)),
      headers_(record_->message), attempts_(attempts) {
  view_.pattern_form = spi::RequestView::PatternForm::text;
  view_.pattern = record_->partition->route;
  read_request();
  read_payload();
}

/// NestJS: without an id or a place for the answer it is an event.
void KafkaDelivery::read_request() {
  const auto id = headers_.get(correlation_header);
  const auto topic = headers_.get(reply_topic_header);
  if (!id || id->empty() || !topic || topic->empty()) return;
  correlation_ = *id;
  reply_topic_ = *topic;
  if (const auto partition = headers_.get(reply_partition_header)) {
    const auto number = to_number(*partition);
    if (number && *number <= INT32_MAX) reply_partition_ = static_cast<std::int32_t>(*number);
  }
  detail::append_json_string(id_, correlation_);
  view_.has_id = true;
  view_.id = id_;
  if (desk_->extensions()) read_deadline();
}

void KafkaDelivery::read_deadline() {
  const auto text = headers_.get(extension::timeout_header);
  const auto told = text ? to_number(*text) : std::nullopt;
  if (!told) return;
  const auto limit = std::min<std::chrono::milliseconds>(std::chrono::milliseconds(*told), std::chrono::hours(24 * 365));
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - timestamp());
  deadline_ = detail::coarse_now() + (age > limit + clock_difference ? 0ms : limit);
}

void KafkaDelivery::read_payload() {
  const rd_kafka_message_t* message = record_->message;
  const ValueForm form = headers_.value_form();
  if (message->payload == nullptr) {
    view_.has_payload = form == ValueForm::json;
    view_.payload = view_.has_payload ? "null" : "";
    return;
  }
  view_.has_payload = true;
  view_.payload = read_value(value_of(message), form, value_);
}

void KafkaDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (!expects_reply()) return;
  thread_local OutgoingRecord record;
  thread_local std::string scratch;
  thread_local std::string name;
  name = reply_topic_;
  Failure failure;
  rd_kafka_t* const producer = record_->session->producer->get();
  rd_kafka_topic_t* const to = record_->session->topics.open(producer, name, failure);
  record.start(to);
  if (reply_partition_ != RD_KAFKA_PARTITION_UA) record.set_partition(reply_partition_);
  HeaderList& headers = record.headers();
  headers.add(correlation_header, correlation_);
  Value value{{}, true, ValueForm::plain};
  switch (kind) {
    case spi::ReplyKind::item:
    case spi::ReplyKind::last_item:
      value = write_value(payload, scratch);
      if (desk_->extensions()) headers.add(value.form);
      break;
    case spi::ReplyKind::end: break;
    case spi::ReplyKind::error: headers.add(error_header, write_value(payload, scratch).bytes); break;
    case spi::ReplyKind::no_handler:
      headers.add(error_header, "There is no matching message handler defined in the remote service.");
      break;
  }
  using namespace std::string_view_literals;
  if (kind != spi::ReplyKind::item && kind != spi::ReplyKind::no_handler) headers.add(disposed_header, "\0"sv);
  record.set_value(value);
  if (to != nullptr && record.send(producer, reply_topic_, failure)) return;
  failure.detail = "a reply was dropped: " + failure.detail;
  desk_->report(std::move(failure));
}

void KafkaDelivery::settle(spi::Settlement outcome) { desk_->settle(record_, attempts_, outcome); }

std::optional<std::string> KafkaDelivery::key() const {
  const rd_kafka_message_t* message = record_->message;
  if (message->key == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(message->key), message->key_len);
}

std::chrono::system_clock::time_point KafkaDelivery::timestamp() const {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(rd_kafka_message_timestamp(record_->message, nullptr)));
}

/// The group's offset, whatever of the records below is still at work. The driver does it when it gets to it.
void KafkaDelivery::commit() {
  const rd_kafka_message_t* message = record_->message;
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic().c_str(), message->partition)->offset = message->offset + 1;
  const auto error = rd_kafka_commit(record_->session->consumer->get(), list.get(), 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) desk_->report(driver_failure(error, "cannot commit " + topic()));
}

}  // namespace ferry::kafka
