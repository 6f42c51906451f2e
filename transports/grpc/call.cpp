#include "transports/grpc/call.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "transports/grpc/metadata.hpp"

namespace ferry::grpc {
namespace {

constexpr const char* details_name = "grpc-status-details-bin";   // gRPC's, of the details of a status

void check_metadata(std::string_view key, std::string_view value) {
  if (const char* fault = metadata_fault(key, value)) {
    throw std::invalid_argument("gRPC metadata \"" + std::string(key) + "\": " + fault);
  }
}

}  // namespace

Call::Call(std::shared_ptr<Service> service, std::shared_ptr<Lane> lane, const ServerMethod& call_method, std::string peer,
           ::grpc::GenericCallbackServerContext& context)
    : Delivery(lane->loop(), call_method.serializer() != nullptr ? *call_method.serializer() : service->serializer()),
      service_(std::move(service)),
      lane_(std::move(lane)),
      call_method_(call_method),
      path_(context.method()),
      peer_(std::move(peer)),
      self_(this),
      context_(&context) {}

::grpc::ServerGenericBidiReactor* Call::start(std::shared_ptr<Service> service, const ServerMethod& call_method,
                                              ::grpc::GenericCallbackServerContext& context) {
  std::string peer = context.peer();
  std::shared_ptr<Lane> lane = service->lane_of(peer);
  auto* const call = new Call(service, lane, call_method, std::move(peer), context);
  if (!service->add(*call)) {
    const std::lock_guard lock(call->mutex_);
    call->end(service->draining() ? ::grpc::Status(::grpc::UNAVAILABLE, "the service is shutting down")
                                  : ::grpc::Status(::grpc::RESOURCE_EXHAUSTED, "maxConcurrentCalls calls are open"));
    return call;
  }
  if (call_method.begins(call->incoming_)) {
    if (!call->hand_over()) call->kill();
    return call;
  }
  // A service that holds back reads no further messages: this one waits in gRPC, which holds its client back.
  if (!lane->paused()) {
    call->StartRead(&call->in_);
  } else {
    spi::DeliveryPtr hold(call);
    Arrival arrival;
    arrival.reads_on = std::shared_ptr<OpenCall>(call, [hold](OpenCall*) {});
    if (!lane->put(std::move(arrival))) call->kill();
  }
  return call;
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void Call::reply(spi::ReplyKind kind, std::string& payload) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  if (kind == spi::ReplyKind::error && own_status_) call_method_.restate(*own_status_, payload);
  Answer answer = call_method_.answer(kind, payload, !started_);
  started_ = true;
  if (answer.has_message && !over_) outbox_.put(make_buffer(answer.head, std::move(answer.payload)));
  if (!answer.last) return pump();
  for (const auto& [name, value] : answer.trailers) {
    if (context_ != nullptr && metadata_fault(name, value) == nullptr) context_->AddTrailingMetadata(name, value);
  }
  end(last_status(answer));
}

::grpc::Status Call::last_status(const Answer& answer) {
  if (answer.status.code == 0) return ::grpc::Status::OK;
  const CallStatus& status = own_status_ ? *own_status_ : answer.status;
  const auto found = std::find_if(status.trailers.begin(), status.trailers.end(), [](const auto& each) { return each.first == details_name; });
  return {static_cast<::grpc::StatusCode>(status.code), status.details, found == status.trailers.end() ? std::string() : found->second};
}

void Call::settle(spi::Settlement) {
  const std::lock_guard lock(mutex_);
  if (!ending_) end(::grpc::Status(::grpc::DEADLINE_EXCEEDED, "nobody waits for the reply any more"));
}

void Call::end(::grpc::Status status) {
  if (ending_) return;
  ending_ = true;
  status_ = std::move(status);
  pump();
}

void Call::pump() {
  if (writing_ || finished_) return;
  if (outbox_.empty()) {
    if (!ending_) return;
    finished_ = true;
    return Finish(std::move(*status_));
  }
  const bool last = ending_ && outbox_.last();
  const ::grpc::ByteBuffer& message = outbox_.next();
  if (last) {
    finished_ = true;
    return StartWriteAndFinish(&message, ::grpc::WriteOptions(), std::move(*status_));
  }
  writing_ = true;
  StartWrite(&message, outbox_.options());
}

bool Call::writable() const {
  const std::lock_guard lock(mutex_);
  // A stream whose caller is gone waits until its loop has heard of that: one that never waits would keep the loop from it.
  if (over_) return abandoned();
  return !outbox_.full();
}

void Call::when_writable(std::function<void()> ready) {
  {
    const std::lock_guard lock(mutex_);
    if (!over_ && outbox_.full()) {
      ready_ = std::move(ready);
      return;
    }
  }
  loop().post(std::move(ready));
}

std::function<void()> Call::take_ready() {
  return over_ || outbox_.low() ? std::exchange(ready_, nullptr) : nullptr;
}

void Call::OnWriteDone(bool ok) {
  std::function<void()> ready;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) {
      pump();
      ready = take_ready();
    }
  }
  if (!ok) return caller_gone();
  if (ready) loop().post(std::move(ready));
}

// ---- the end ---------------------------------------------------------------------------------------------------------

/// By a cancel, or a write that could not be made: gRPC tells of a connection that broke in either way, or in both.
void Call::caller_gone() {
  std::function<void()> ready;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    outbox_.clear();
    inbox_.fail(Failure(errc::cancelled, "the caller is gone"));
    serve_reader();
    end(::grpc::Status::CANCELLED);
    pump();
    ready = take_ready();
  }
  loop().post([self = self_, ready = std::move(ready)] {
    static_cast<Call&>(*self).abandon();
    if (ready) ready();
  });
}

void Call::kill() {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) context_->TryCancel();
  end(::grpc::Status::CANCELLED);
}

void Call::OnDone() {
  service_->remove(*this);
  {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }
  const spi::DeliveryPtr last = std::move(self_);
}

// ---- context ---------------------------------------------------------------------------------------------------------

Headers Call::headers() const {
  if (incoming_.metadata_headers) return metadata();
  std::vector<Headers::Entry> entries(incoming_.headers.begin(), incoming_.headers.end());
  return Headers::of(std::move(entries));
}

Headers Call::metadata() const {
  const std::lock_guard lock(mutex_);
  return context_ == nullptr ? Headers() : read_metadata(context_->client_metadata());
}

void Call::add_initial_metadata(std::string_view key, std::string_view value) {
  const std::string name = lower(key);
  check_metadata(name, value);
  const std::lock_guard lock(mutex_);
  if (started_) throw std::logic_error("gRPC sends the initial metadata with the first reply, which is out");
  if (context_ != nullptr && !ending_) context_->AddInitialMetadata(name, std::string(value));
}

void Call::add_trailing_metadata(std::string_view key, std::string_view value) {
  const std::string name = lower(key);
  check_metadata(name, value);
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr && !ending_) context_->AddTrailingMetadata(name, std::string(value));
}

void Call::set_status(int code, std::string_view message, std::string_view details) {
  if (code <= 0) throw std::invalid_argument("gRPC status " + std::to_string(code) + " is none of a failed call");
  const std::lock_guard lock(mutex_);
  own_status_ = CallStatus{code, std::string(message)};
  if (!details.empty()) own_status_->trailers.emplace_back(details_name, details);
}

}  // namespace ferry::grpc
