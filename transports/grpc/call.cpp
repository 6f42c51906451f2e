#include "transports/grpc/call.hpp"

#include <stdexcept>
#include <utility>

#include "transports/grpc/metadata.hpp"

namespace ferry::grpc {
namespace {

constexpr std::size_t high_water_bytes = 64 * 1024;   // waiting for gRPC, before a stream of replies should wait
constexpr std::size_t high_water_messages = 64;

void check_metadata(std::string_view key, std::string_view value) {
  if (const char* fault = metadata_fault(key, value)) {
    throw std::invalid_argument("gRPC metadata \"" + std::string(key) + "\": " + fault);
  }
}

}  // namespace

Call::Call(std::shared_ptr<Service> service, std::shared_ptr<Lane> lane, const ServerMethod& call_method, std::string peer,
           ::grpc::GenericCallbackServerContext& context)
    : Delivery(lane->loop(), service->serializer()),
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

// ---- reading ---------------------------------------------------------------------------------------------------------

void Call::read_on() {
  const std::lock_guard lock(mutex_);
  if (!ending_ && context_ != nullptr) StartRead(&in_);
}

bool Call::read_body(CallStatus& fault) {
  if (!body_.take(in_)) {
    fault = {static_cast<int>(Code::internal), "the request cannot be decompressed"};
    return false;
  }
  if (auto refused = call_method_.read(body_.view(), incoming_)) {
    fault = std::move(*refused);
    return false;
  }
  view_ = incoming_.view;
  view_.has_id = true;
  if (incoming_.timeout.count() > 0) {
    deadline_ = std::chrono::steady_clock::now() + incoming_.timeout;
  } else if (const auto told = context_->deadline(); told != std::chrono::system_clock::time_point::max()) {
    deadline_ = std::chrono::steady_clock::now() + (told - std::chrono::system_clock::now());
  }
  return true;
}

void Call::OnReadDone(bool ok) {
  CallStatus fault{static_cast<int>(Code::internal), "the call brought no request"};
  if (ok && read_body(fault)) {
    if (lane_->put({self_, {}, {}})) return;
    fault = {static_cast<int>(Code::unavailable), "the service is shutting down"};
  } else if (ok) {
    service_->report(Failure(errc::bad_message, peer_ + ", " + path_ + ": " + fault.details));
  }
  const std::lock_guard lock(mutex_);
  end(::grpc::Status(static_cast<::grpc::StatusCode>(fault.code), fault.details));
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void Call::reply(spi::ReplyKind kind, std::string& payload) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  Answer answer = call_method_.answer(kind, payload, !started_);
  started_ = true;
  if (answer.has_message && !over_) {
    waiting_.push_back(make_buffer(answer.head, std::move(answer.payload)));
    waiting_bytes_ += waiting_.back().Length();
  }
  if (!answer.last) return pump();
  for (const auto& [name, value] : answer.trailers) {
    if (context_ != nullptr && metadata_fault(name, value) == nullptr) context_->AddTrailingMetadata(name, value);
  }
  end(last_status(answer));
}

::grpc::Status Call::last_status(const Answer& answer) {
  if (answer.status.code == 0) return ::grpc::Status::OK;
  if (own_status_) return *own_status_;
  return {static_cast<::grpc::StatusCode>(answer.status.code), answer.status.details};
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
  const bool last = ending_ && waiting_.size() <= 1;
  if (waiting_.empty()) {
    if (!last) return;
    finished_ = true;
    return Finish(std::move(*status_));
  }
  out_ = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= out_.Length();
  if (last) {
    finished_ = true;
    return StartWriteAndFinish(&out_, ::grpc::WriteOptions(), std::move(*status_));
  }
  writing_ = true;
  // What goes out as one piece costs one call of the system, one record of TLS, and one wake-up of the peer.
  StartWrite(&out_, waiting_.empty() ? ::grpc::WriteOptions() : ::grpc::WriteOptions().set_buffer_hint());
}

bool Call::writable() const {
  const std::lock_guard lock(mutex_);
  // A stream whose caller is gone waits until its loop has heard of that: one that never waits would keep the loop from it.
  if (over_) return abandoned();
  return waiting_bytes_ < high_water_bytes && waiting_.size() < high_water_messages;
}

void Call::when_writable(std::function<void()> ready) {
  {
    const std::lock_guard lock(mutex_);
    if (!over_ && (waiting_bytes_ >= high_water_bytes || waiting_.size() >= high_water_messages)) {
      ready_ = std::move(ready);
      return;
    }
  }
  loop().post(std::move(ready));
}

std::function<void()> Call::take_ready() {
  const bool low = waiting_bytes_ <= high_water_bytes / 2 && waiting_.size() <= high_water_messages / 2;
  return over_ || low ? std::exchange(ready_, nullptr) : nullptr;
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
    waiting_.clear();
    waiting_bytes_ = 0;
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
  const std::lock_guard lock(mutex_);
  own_status_.emplace(static_cast<::grpc::StatusCode>(code), std::string(message), std::string(details));
}

}  // namespace ferry::grpc
