#include "transports/kafka/delivery.hpp"

#include <charconv>
#include <utility>

#include "ferry/detail/clock.hpp"
#include "ferry/detail/json_writer.hpp"
#include "transports/common/extension.hpp"
#include "transports/kafka/topic.hpp"

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

bool is_too_large(const std::string& topic, Failure& failure) {
  failure = Failure(errc::bad_payload, "a record for " + topic + " is larger than producer.maxMessageBytes; send less, or "
                    "raise that and the brokers' limits", Fate::not_sent);
  return false;
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

template <class F>
void Desk::tell(F&& function) {
  if (!loop_.in_loop()) return post(std::forward<F>(function));
  if (owner_ != nullptr) function(*owner_);
}

void Desk::settle(Work work, spi::Settlement outcome) {
  tell([work = std::move(work), outcome](Owner& owner) mutable { owner.settled(std::move(work), outcome); });
}

/// At once: of what is being handed over no more is to come.
void Desk::hold(PartitionPtr partition, bool held) {
  tell([partition = std::move(partition), held](Owner& owner) { owner.hold(partition, held); });
}

void Desk::commit(RecordPtr record) {
  post([record = std::move(record)](Owner& owner) { owner.commit(*record); });
}

void Desk::when_writable(std::function<void()> ready) {
  loop_.post([self = shared_from_this(), ready = std::move(ready)]() mutable {
    if (self->owner_ != nullptr) self->owner_->when_writable(std::move(ready));
    else ready();
  });
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
  if (desk_->rules().observe) return;
  const auto& known = headers_.known();
  if (!known.id || known.id->empty() || !known.reply_topic || known.reply_topic->empty()) return;
  correlation_ = *known.id;
  reply_topic_ = *known.reply_topic;
  if (known.reply_partition) {
    const auto number = to_number(*known.reply_partition);
    if (number && *number <= INT32_MAX) reply_partition_ = static_cast<std::int32_t>(*number);
  }
  detail::append_json_string(id_, correlation_);
  view_.has_id = true;
  view_.id = id_;
  if (desk_->rules().extensions) read_deadline();
}

void KafkaDelivery::read_deadline() {
  const auto& text = headers_.known().timeout;
  const auto told = text ? to_number(*text) : std::nullopt;
  if (!told) return;
  const auto limit = std::min<std::chrono::milliseconds>(std::chrono::milliseconds(*told), std::chrono::hours(24 * 365));
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - timestamp());
  deadline_ = detail::coarse_now() + (age > limit + clock_difference ? 0ms : limit);
}

void KafkaDelivery::read_payload() {
  const rd_kafka_message_t* message = record_->message;
  const ValueForm form = headers_.known().form;
  if (message->payload == nullptr) {
    view_.has_payload = form == ValueForm::json;
    view_.payload = view_.has_payload ? "null" : "";
    return;
  }
  view_.has_payload = true;
  view_.payload = read_value(value_of(message), form, value_);
}

// --- what goes out --------------------------------------------------------------------------------------------------

void KafkaDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (!expects_reply() || refused_) return;
  if (kind == spi::ReplyKind::error || kind == spi::ReplyKind::no_handler) {
    const std::lock_guard lock(mutex_);
    std::erase_if(outputs_, [](const Output& each) { return !each.reply; });   // a handler that fails emits nothing
  }
  Failure failure;
  if (answer(kind, payload, failure)) return;
  refused_ = true;
  const bool told = kind != spi::ReplyKind::error && answer(spi::ReplyKind::error, R"({"status":"error","message":"The reply could not be sent"})", failure);
  failure.detail = (told ? "a reply became an error: " : "a reply was dropped: ") + failure.detail;
  desk_->report(std::move(failure));
}

/// One packet of the reply: to the driver, or to what waits for the transaction.
bool KafkaDelivery::answer(spi::ReplyKind kind, std::string_view payload, Failure& failure) {
  using namespace std::string_view_literals;
  thread_local std::string scratch;
  thread_local std::vector<std::pair<std::string_view, std::string_view>> headers;
  headers.clear();
  headers.emplace_back(correlation_header, correlation_);
  Value value{{}, true, ValueForm::plain};
  switch (kind) {
    case spi::ReplyKind::item:
    case spi::ReplyKind::last_item:
      value = write_value(payload, scratch);
      if (desk_->rules().extensions && value.form != ValueForm::plain) headers.emplace_back(value_header, name_of(value.form));
      break;
    case spi::ReplyKind::end: break;
    case spi::ReplyKind::error: headers.emplace_back(error_header, write_value(payload, scratch).bytes); break;
    case spi::ReplyKind::no_handler:
      headers.emplace_back(error_header, "There is no matching message handler defined in the remote service.");
      break;
  }
  if (kind != spi::ReplyKind::item && kind != spi::ReplyKind::no_handler) headers.emplace_back(disposed_header, "\0"sv);
  if (kind == spi::ReplyKind::error) value = {{}, true, ValueForm::plain};

  thread_local std::string topic;
  topic = reply_topic_;
  if (desk_->rules().transactional) {
    Output output;
    output.topic = topic;
    output.options.partition = reply_partition_;
    for (const auto& [name, text] : headers) output.headers.emplace_back(name, text);
    output.value = value.bytes;
    output.absent = value.absent;
    output.reply = true;
    return put_by(std::move(output), failure);
  }
  if (value.bytes.size() > desk_->rules().max_message) return is_too_large(topic, failure);
  thread_local OutgoingRecord record;
  Session& session = *record_->session;
  rd_kafka_topic_t* const to = session.topics.open(session.producer->get(), topic, failure);
  if (to == nullptr) return false;
  record.start(to);
  if (reply_partition_ != RD_KAFKA_PARTITION_UA) record.set_partition(reply_partition_);
  for (const auto& [name, text] : headers) record.headers().add(name, text);
  record.set_value(value);
  record.set_opaque(reinterpret_cast<void*>(opaque_of(record_->number, false)));
  record_->answers.fetch_add(1, std::memory_order_relaxed);   // before its report can come
  session.unconfirmed_bytes += Session::bytes_of_answer(value.bytes.size());
  session.outbox->add(record);
  return true;
}

/// In a transaction answers wait for their record, however many they are.
bool KafkaDelivery::writable() const {
  return desk_->rules().transactional || record_->session->unconfirmed_bytes <= desk_->rules().high_water;
}

bool KafkaDelivery::put_by(Output output, Failure& failure) {
  constexpr std::size_t most = 10000;
  if (output.size() > desk_->rules().max_message) return is_too_large(output.topic, failure);
  const std::lock_guard lock(mutex_);
  if (outputs_.size() >= most) {
    failure = Failure(errc::overloaded, "one message has more than " + std::to_string(most) + " outputs", Fate::not_sent);
    return false;
  }
  outputs_.push_back(std::move(output));
  return true;
}

void KafkaDelivery::emit(const Pattern& pattern, const nlohmann::json& data, const nlohmann::json& record, const Headers& headers) {
  auto topic = topic_of(pattern.route());
  if (!topic) throw_failure(topic.failure());
  Output output;
  output.topic = std::move(*topic);
  Failure failure;
  if (!record.is_null() && !RecordOptions::read(record, output.options, failure)) throw_failure(failure);
  std::string payload;
  std::string scratch;
  serializer().encode(data, payload);
  const Value value = write_value(payload, scratch);
  output.value = value.bytes;
  output.absent = value.absent;
  if (desk_->rules().extensions && value.form != ValueForm::plain) output.headers.emplace_back(value_header, name_of(value.form));
  for (const auto& [name, text] : headers) output.headers.emplace_back(name, text);
  if (!put_by(std::move(output), failure)) throw_failure(failure);
}

void KafkaDelivery::settle(spi::Settlement outcome) {
  std::vector<Output> outputs;
  {
    const std::lock_guard lock(mutex_);
    outputs.swap(outputs_);
  }
  if (outcome != spi::Settlement::ack && outcome != spi::Settlement::reject) outputs.clear();
  else if (outcome == spi::Settlement::reject) std::erase_if(outputs, [](const Output& each) { return !each.reply; });
  desk_->settle({record_, attempts_, std::move(outputs)}, outcome);
}

// --- the context ----------------------------------------------------------------------------------------------------

std::optional<std::string> KafkaDelivery::key() const {
  if (record_->message->key == nullptr) return std::nullopt;
  return std::string(record_->key());
}

std::chrono::system_clock::time_point KafkaDelivery::timestamp() const {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(rd_kafka_message_timestamp(record_->message, nullptr)));
}

void KafkaDelivery::commit() {
  if (desk_->rules().transactional) {
    return desk_->report(Failure(errc::unsupported, "commit() does nothing: offsets are committed by their transactions", Fate::not_sent));
  }
  desk_->commit(record_);
}

}  // namespace ferry::kafka
