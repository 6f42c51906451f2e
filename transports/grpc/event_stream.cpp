#include "transports/grpc/event_stream.hpp"

#include <utility>

#include "transports/grpc/envelope.hpp"

namespace ferry::grpc {
namespace {

constexpr int read_ahead = 4;   // messages of up to some hundred events

class Event final : public spi::Delivery {
 public:
  Event(const spi::Loop& loop, const spi::Serializer& serializer, std::shared_ptr<Body> body, Incoming incoming)
      : Delivery(loop, serializer), body_(std::move(body)), incoming_(std::move(incoming)) {
    view_ = incoming_.view;
    view_.has_id = false;
  }

  Headers headers() const override {
    std::vector<Headers::Entry> entries(incoming_.headers.begin(), incoming_.headers.end());
    return Headers::of(std::move(entries));
  }
  void reply(spi::ReplyKind, std::string&) override {}

 private:
  void dispose() noexcept override { delete this; }

  const std::shared_ptr<Body> body_;
  const Incoming incoming_;
};

}  // namespace

EventStream::EventStream(const std::shared_ptr<Service>& service, const ServerMethod& method, ::grpc::GenericCallbackServerContext& context)
    : service_(service), method_(method), peer_(context.peer()), lane_(service_->lane_of(context)) {}

::grpc::ServerGenericBidiReactor* EventStream::start(const std::shared_ptr<Service>& service, const ServerMethod& method,
                                                     ::grpc::GenericCallbackServerContext& context) {
  std::shared_ptr<EventStream> stream(new EventStream(service, method, context));
  stream->self_ = stream;
  if (!stream->service_->add(*stream)) {
    const std::lock_guard lock(stream->mutex_);
    stream->end(::grpc::Status(::grpc::UNAVAILABLE, "the service takes no more calls"));
  }
  // The client sees at once that it is heard.
  stream->StartSendInitialMetadata();
  stream->untaken_ = 1;
  stream->read_on();
  return stream.get();
}

void EventStream::read_on() {
  const std::lock_guard lock(mutex_);
  --untaken_;
  if (ended_ || reading_ || done_) return;
  reading_ = true;
  StartRead(&in_);
}

/// All of it under the lock: a service that drains waits for it here, and what came before the end is handed over before the end.
void EventStream::OnReadDone(bool ok) {
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (!ok) return end(::grpc::Status::OK);   // the client has no more
  auto body = std::make_shared<Body>();
  const char* fault = body->take(in_) ? hand_over(std::move(body)) : "it cannot be decompressed";
  in_.Clear();
  if (fault != nullptr) {
    service_->report(Failure(errc::bad_message, peer_ + ", a message of events: " + fault));
    return end(::grpc::Status(::grpc::INTERNAL, fault));
  }
  if (++untaken_ >= read_ahead || ended_ || lane_.paused()) return;   // the loop reads on
  reading_ = true;
  StartRead(&in_);
}

const char* EventStream::hand_over(std::shared_ptr<Body> body) {
  events_.clear();
  if (const char* fault = envelope::read_events(body->view(), events_)) return fault;
  std::size_t lost = 0;
  for (const std::string_view text : events_) {
    Incoming incoming;
    if (const auto refused = method_.read(text, incoming)) {
      service_->report(Failure(errc::bad_message, peer_ + ", an event: " + refused->details));
      continue;
    }
    spi::DeliveryPtr event(new Event(lane_.loop(), service_->serializer(), body, std::move(incoming)));
    if (!lane_.put({std::move(event), {}, {}})) ++lost;
  }
  if (lost > 0) service_->report(Failure(errc::closed, peer_ + ": " + std::to_string(lost) + " events came after the service had shut down"));
  lane_.put({{}, shared_from_this(), {}});
  return nullptr;
}

void EventStream::stop() {
  const std::lock_guard lock(mutex_);
  end(::grpc::Status(::grpc::UNAVAILABLE, "the service is shutting down"));
}

void EventStream::OnCancel() {
  const std::lock_guard lock(mutex_);
  end(::grpc::Status::CANCELLED);
}

void EventStream::end(::grpc::Status status) {
  if (!std::exchange(ended_, true)) Finish(std::move(status));
}

void EventStream::OnDone() {
  service_->remove(*this);
  std::shared_ptr<EventStream> last;
  const std::lock_guard lock(mutex_);
  done_ = true;
  last = std::move(self_);
}

}  // namespace ferry::grpc
