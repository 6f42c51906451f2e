// The requests of a call: its one, or a stream of them.

#include <utility>

#include <grpc/grpc.h>

#include "transports/grpc/call.hpp"

namespace ferry::grpc {

void Call::read_on() {
  const std::lock_guard lock(mutex_);
  if (!ending_ && context_ != nullptr) StartRead(&in_);
}

void Call::OnReadDone(bool ok) {
  if (stream_) return take_next(ok);
  CallStatus fault;
  const bool good = ok && read_request(in_, fault);
  if (!ok) fault = {static_cast<int>(Code::internal), "the call brought no request"};
  in_.Clear();
  if (good) {
    stream_ = incoming_.stream;
    if (hand_over()) return;
    return refuse(too_late());
  }
  if (ok) report(fault.details);
  refuse(::grpc::Status(static_cast<::grpc::StatusCode>(fault.code), fault.details));
}

// ---- a stream --------------------------------------------------------------------------------------------------------

void Call::read(std::function<void(Inbox::Next)> ready) {
  const std::lock_guard lock(mutex_);
  if (!stream_ && !inbox_.ended()) {   // to a handler that reads, one request is a stream of one
    if (view_.has_payload) inbox_.put(std::string(view_.payload));
    inbox_.end();
  }
  reader_ = std::move(ready);
  serve_reader();
  read_more();
}

void Call::serve_reader() {
  if (!reader_) return;
  std::optional<Inbox::Next> next = inbox_.take();
  if (!next) return;
  loop().post([self = spi::DeliveryPtr(this), ready = std::exchange(reader_, nullptr), next = std::move(*next)]() mutable {
    ready(std::move(next));
  });
}

void Call::read_more() {
  if (reading_ || ending_ || over_ || context_ == nullptr || !inbox_.wants_more()) return;
  reading_ = true;
  StartRead(&in_);
}

void Call::take_next(bool ok) {
  Body body;
  std::string_view payload;
  const char* fault = nullptr;
  if (ok) fault = body.take(in_) ? call_method_.read_next(body.view(), payload) : "it cannot be decompressed";
  in_.Clear();
  if (fault != nullptr) report(fault);
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (fault != nullptr) inbox_.fail(Failure(errc::bad_payload, std::string("the caller's next message: ") + fault));
  else if (ok) inbox_.put(std::string(payload));
  // gRPC ends a read in the same way when the caller has no more, and when he is gone; this alone tells which.
  else if (grpc_call_failed_before_recv_message(context_->c_call()) == 0) inbox_.end();
  else inbox_.fail(Failure(errc::cancelled, "the caller is gone"));
  serve_reader();
  read_more();
}

}  // namespace ferry::grpc
