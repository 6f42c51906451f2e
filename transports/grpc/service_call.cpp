#include "transports/grpc/service_call.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "transports/grpc/metadata.hpp"

namespace ferry::grpc {
namespace {

void check_metadata(std::string_view key, std::string_view value) {
  if (const char* fault = metadata_fault(key, value)) {
    throw std::invalid_argument("gRPC metadata \"" + std::string(key) + "\": " + fault);
  }
}

const spi::Serializer& serializer_of(const ServerMethod& method, const Service& service) {
  const spi::Serializer* own = method.serializer();
  return own == nullptr ? service.serializer() : *own;
}

}  // namespace

ServiceCall::ServiceCall(const std::shared_ptr<Service>& service, Lane& lane, const ServerMethod& call_method,
                         ::grpc::CallbackServerContext& context)
    : Delivery(lane.loop(), serializer_of(call_method, *service)),
      service_(service),
      lane_(lane),
      call_method_(call_method),
      self_(this),
      context_(&context) {}

std::optional<::grpc::Status> ServiceCall::admit() {
  entered_ = service_->enter();
  if (entered_) return std::nullopt;
  if (service_->draining()) return too_late();
  return ::grpc::Status(::grpc::RESOURCE_EXHAUSTED, "maxConcurrentCalls calls are open");
}

bool ServiceCall::read_request(const ::grpc::ByteBuffer& bytes, CallStatus& fault) {
  if (!body_.take(bytes)) {
    fault = {static_cast<int>(Code::internal), bytes.Valid() ? "the request cannot be decompressed" : "the call brought no request"};
  } else if (auto refused = call_method_.read(body_.view(), incoming_)) {
    fault = std::move(*refused);
  } else {
    return true;
  }
  return false;
}

bool ServiceCall::hand_over() {
  view_ = incoming_.view;
  view_.has_id = true;
  if (incoming_.timeout.count() > 0) {
    deadline_ = std::chrono::steady_clock::now() + incoming_.timeout;
  } else if (const auto told = context_->deadline(); told != std::chrono::system_clock::time_point::max()) {
    deadline_ = std::chrono::steady_clock::now() + (told - std::chrono::system_clock::now());
  }
  return lane_.put({self_, {}, {}});
}

void ServiceCall::report(const std::string& fault) {
  service_->report(Failure(errc::bad_message, peer() + ", " + method() + ": " + fault));
}

// ---- replies ---------------------------------------------------------------------------------------------------------

Answer ServiceCall::answer(spi::ReplyKind kind, std::string& payload) {
  if (kind == spi::ReplyKind::error && own_status_) call_method_.restate(*own_status_, payload);
  Answer answer = call_method_.answer(kind, payload, !started_);
  started_ = true;
  for (const auto& [name, value] : answer.trailers) {
    if (context_ != nullptr && metadata_fault(name, value) == nullptr) context_->AddTrailingMetadata(name, value);
  }
  return answer;
}

::grpc::Status ServiceCall::last_status(const Answer& answer) const {
  if (answer.status.code == 0) return ::grpc::Status::OK;
  const CallStatus& status = own_status_ ? *own_status_ : answer.status;
  const auto found = std::find_if(status.trailers.begin(), status.trailers.end(), [](const auto& each) { return each.first == details_name; });
  return {static_cast<::grpc::StatusCode>(status.code), status.details, found == status.trailers.end() ? std::string() : found->second};
}

void ServiceCall::done() {
  if (entered_) service_->leave();
  {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }
  const spi::DeliveryPtr last = std::move(self_);
}

// ---- context ---------------------------------------------------------------------------------------------------------

Headers ServiceCall::headers() const {
  if (incoming_.metadata_headers) return metadata();
  std::vector<Headers::Entry> entries(incoming_.headers.begin(), incoming_.headers.end());
  return Headers::of(std::move(entries));
}

std::string ServiceCall::peer() const {
  const std::lock_guard lock(mutex_);
  return context_ == nullptr ? std::string() : context_->peer();
}

Headers ServiceCall::metadata() const {
  const std::lock_guard lock(mutex_);
  return context_ == nullptr ? Headers() : read_metadata(context_->client_metadata());
}

void ServiceCall::add_initial_metadata(std::string_view key, std::string_view value) {
  const std::string name = lower(key);
  check_metadata(name, value);
  const std::lock_guard lock(mutex_);
  if (started_) throw std::logic_error("gRPC sends the initial metadata with the first reply, which is out");
  if (context_ != nullptr && !ending_) context_->AddInitialMetadata(name, std::string(value));
}

void ServiceCall::add_trailing_metadata(std::string_view key, std::string_view value) {
  const std::string name = lower(key);
  check_metadata(name, value);
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr && !ending_) context_->AddTrailingMetadata(name, std::string(value));
}

void ServiceCall::set_status(int code, std::string_view message, std::string_view details) {
  if (code <= 0) throw std::invalid_argument("gRPC status " + std::to_string(code) + " is none of a failed call");
  const std::lock_guard lock(mutex_);
  own_status_ = CallStatus{code, std::string(message)};
  if (!details.empty()) own_status_->trailers.emplace_back(details_name, details);
}

}  // namespace ferry::grpc
