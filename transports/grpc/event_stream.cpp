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

EventStream::EventStream(std::shared_ptr<Service> service, const ServerMethod& method, ::grpc::GenericCallbackServerContext& context)
    : service_(std::move(service)), method_(method), peer_(context.peer()), lane_(service_->lane_of(context)), context_(&context) {}

::grpc::ServerGenericBidiReactor* EventStream::start(std::shared_ptr<Service> service, const ServerMethod& method,
                                                     ::grpc::GenericCallbackServerContext& context) {
  std::shared_ptr<EventStream> stream(new EventStream(std::move(service), method, context));
  stream->self_ = stream;
  if (!stream->service_->add(*stream)) stream->end(::grpc::Status(::grpc::UNAVAILABLE, "the service takes no more calls"));
  // The client sees at once that it is heard.
  stream->StartSendInitialMetadata();
  stream->untaken_ = 1;
  stream->read_on();
  return stream.get();
}

void EventStream::read_on() {
  const std::lock_guard lock(mutex_);
  --untaken_;
  if (ended_ || reading_ || context_ == nullptr) return;
  reading_ = true;
  StartRead(&in_);
}

void EventStream::OnReadDone(bool ok) {
  if (!ok) return end(::grpc::Status::OK);   // the client has no more
  auto body = std::make_shared<Body>();
  const char* fault = body->take(in_) ? hand_over(std::move(body)) : "it cannot be decompressed";
  in_.Clear();
  if (fault != nullptr) {
    service_->report(Failure(errc::bad_message, peer_ + ", a message of events: " + fault));
    return end(::grpc::Status(::grpc::INTERNAL, fault));
  }
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (++untaken_ >= read_ahead || ended_ || lane_->paused()) return;   // the loop reads on
  reading_ = true;
  StartRead(&in_);
}

const char* EventStream::hand_over(std::shared_ptr<Body> body) {
  events_.clear();
  if (const char* fault = envelope::read_events(body->view(), events_)) return fault;
  for (const std::string_view text : events_) {
    Incoming incoming;
    if (const auto refused = method_.read(text, incoming)) {
      service_->report(Failure(errc::bad_message, peer_ + ", an event: " + refused->details));
      continue;
    }
    lane_->put({spi::DeliveryPtr(new Event(lane_->loop(), service_->serializer(), body, std::move(incoming))), {}, {}});
  }
  lane_->put({{}, shared_from_this(), {}});
  return nullptr;
}

void EventStream::stop_reading() { end(::grpc::Status(::grpc::UNAVAILABLE, "the service is shutting down")); }

void EventStream::kill() {
  {
    const std::lock_guard lock(mutex_);
    if (context_ != nullptr) context_->TryCancel();
  }
  end(::grpc::Status::CANCELLED);
}

void EventStream::end(::grpc::Status status) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(ended_, true)) return;
  Finish(std::move(status));
}

void EventStream::OnDone() {
  service_->remove(*this);
  {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }
  const std::shared_ptr<EventStream> last = std::move(self_);
}

}  // namespace ferry::grpc
