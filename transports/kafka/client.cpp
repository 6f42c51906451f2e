#include "transports/kafka/client.hpp"

#include <random>
#include <utility>

#include "transports/kafka/error.hpp"
#include "transports/kafka/record.hpp"

namespace ferry::kafka {
namespace {

bool is_loss(rd_kafka_event_t* event) {
  return rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || rd_kafka_event_error_is_fatal(event);
}

/// As `produce` has made it.
spi::EmitToken token_of(void* opaque) { return static_cast<spi::EmitToken>(reinterpret_cast<std::uintptr_t>(opaque)) - 1; }

}  // namespace

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : environment_(std::move(environment)), sink_(sink), settings_(client_settings(environment_)), instance_(std::random_device()()) {}

Client::~Client() { let_go(); }

// --- connecting -----------------------------------------------------------------------------------------------------

void Client::connect() {
  if (producer_) return;
  attempt_ = std::make_shared<int>();
  last_words_.clear();
  const auto post = [this](Fault fault) {
    environment_.loop->post([this, attempt = std::weak_ptr(attempt_), fault = std::move(fault)] {
      if (!attempt.expired()) gone(*fault);
    });
  };
  Failure failure;
  producer_ = Handle::make(RD_KAFKA_PRODUCER, settings_.link.producer, RD_KAFKA_EVENT_DR, *environment_.loop, failure);
  if (!producer_) return post(failure);
  outbox_ = std::make_shared<Outbox>(*environment_.loop, producer_, Outbox::WhenFull::refuse,
                                     [this](RecordFields record, const Failure& refusal) { refused(record, refusal); });
  producer_->open([this] { serve(); });
  worker_ = std::make_unique<Worker>(*environment_.loop);
  worker_->run([this, attempt = std::weak_ptr(attempt_), producer = producer_, link = settings_.link](const Stopped& stopped) -> Worker::Outcome {
    return [this, attempt, fault = reach_brokers(producer->get(), link, stopped)] {
      if (attempt.expired()) return;
      if (fault) return gone(*fault);
      connected();
    };
  });
}

void Client::connected() {
  ready_ = true;
  if (!settings_.producer_only) {
    Replies::Events events;
    events.reply = [this](const spi::ReplyView& reply) { sink_.on_reply(reply); };
    events.gone = [this](const Failure& why) { gone(why); };
    events.error = [this](const Failure& failure) { sink_.on_error(failure); };
    replies_ = std::make_unique<Replies>(settings_, *environment_.loop, std::move(events));
    if (held_) replies_->hold(true);
  }
  preset_left_ = settings_.routes.size();
  if (preset_left_ == 0) return sink_.on_connected("kafka://" + settings_.link.brokers);
  for (const std::string& pattern : settings_.routes) {
    Failure failure;
    Route* const route = route_of(Pattern(pattern).route(), failure);
    if (route == nullptr || !open(*route, true, failure)) return gone(failure);
  }
}

void Client::preset_opened() {
  if (preset_left_ != 0 && --preset_left_ == 0) sink_.on_connected("kafka://" + settings_.link.brokers);
}

/// Everything of this connection ends, but for the instances, whose end takes its time.
std::vector<std::shared_ptr<Handle>> Client::let_go() {
  ready_ = false;
  attempt_.reset();
  worker_.reset();
  waiting_.clear();
  if (outbox_) std::exchange(outbox_, nullptr)->shut();
  routes_.clear();
  std::vector<std::shared_ptr<Handle>> handles;
  if (replies_) handles.push_back(replies_->release());
  if (replies_) environment_.loop->post([replies = std::shared_ptr<Replies>(std::move(replies_))] {});   // it may be calling us
  if (producer_) producer_->shut();
  handles.push_back(std::exchange(producer_, nullptr));
  return handles;
}

void Client::gone(const Failure& why) {
  const Failure failure = why;
  let_go();
  if (flushed_) return flushed();
  sink_.on_disconnected(failure);
}

void Client::hold(bool held) {
  held_ = held;
  if (replies_) replies_->hold(held);
}

spi::NativeHandle Client::native() noexcept {
  return producer_ ? spi::NativeHandle::of(producer_->place()) : spi::NativeHandle{};
}

// --- in -------------------------------------------------------------------------------------------------------------

void Client::serve() {
  const std::shared_ptr<Handle> producer = producer_;
  while (producer && producer_ == producer) {
    const EventPtr event(rd_kafka_queue_poll(producer->events(), 0));
    if (!event) break;
    take(event.get());
  }
  if (flushed_ && producer_ && rd_kafka_outq_len(producer_->get()) == 0) flushed();
}

void Client::take(rd_kafka_event_t* event) {
  if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
    const std::shared_ptr<int> attempt = attempt_;
    while (const rd_kafka_message_t* report = rd_kafka_event_message_next(event)) {
      if (attempt_ == attempt) take_report(report);
    }
    return;
  }
  if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR) return;
  const auto code = rd_kafka_event_error(event);
  if (is_of_connection(code)) {   // to one broker; the driver tries again
    last_words_ = rd_kafka_event_error_string(event);
    if (!ready_ || is_loss_of_connection(code)) return;
  }
  Failure failure = driver_failure(code, "kafka://" + settings_.link.brokers, Fate::unknown, rd_kafka_event_error_string(event));
  if (!is_loss(event)) return sink_.on_error(failure);
  if (!ready_) {
    failure.code = make_error_code(errc::not_connected);
    failure.fate = Fate::not_sent;
    failure.detail = "cannot connect to " + failure.detail + (last_words_.empty() ? "" : ": " + last_words_);
  }
  gone(failure);
}

void Client::take_report(const rd_kafka_message_t* report) {
  outbox_->reported();
  const bool good = report->err == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (report->_private != nullptr) {
    const spi::EmitToken token = token_of(report->_private);
    if (good) return sink_.on_emitted(token, nullptr);
    const Failure failure = delivery_failure(report, "an event was not confirmed");
    return sink_.on_emitted(token, &failure);
  }
  if (good) return;
  const auto id = RecordHeaders(report).known().id;
  if (id) sink_.on_request_failed(std::string(*id), delivery_failure(report, "a request was not confirmed"));
}

/// By the driver.
void Client::refused(RecordFields record, const Failure& failure) {
  for (const rd_kafka_vu_t& field : record) {
    if (field.vtype == RD_KAFKA_VTYPE_OPAQUE) return sink_.on_emitted(token_of(field.u.ptr), &failure);
    if (field.vtype != RD_KAFKA_VTYPE_HEADER || field.u.header.name != correlation_header) continue;
    return sink_.on_request_failed(std::string(static_cast<const char*>(field.u.header.val), static_cast<std::size_t>(field.u.header.size)), failure);
  }
}

// --- the end --------------------------------------------------------------------------------------------------------

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  const auto until = std::chrono::steady_clock::now() + limit;
  flushed_ = [this, until, done = std::move(done)] {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    end_handles(let_go(), *environment_.loop, std::max(left, std::chrono::milliseconds(1)), done);
  };
  if (ready_) outbox_->flush();
  if (!ready_ || rd_kafka_outq_len(producer_->get()) == 0) return flushed();
  flush_timer_.emplace(environment_.loop->executor(), limit / 2);   // the rest is for the instances' end
  flush_timer_->async_wait([this, attempt = std::weak_ptr(attempt_)](std::error_code error) {
    if (!error && !attempt.expired() && flushed_) flushed();
  });
  producer_->wake_again();
}

void Client::flushed() {
  flush_timer_.reset();
  std::exchange(flushed_, nullptr)();
}

}  // namespace ferry::kafka
