#include "transports/grpc/built_in_call.hpp"

#include <utility>

namespace ferry::grpc {

BuiltInCall::BuiltInCall(std::shared_ptr<Service> service, const BuiltIn& built_in)
    : service_(std::move(service)), built_in_(built_in) {
  if (service_->add(*this)) {
    StartRead(&in_);
    return;
  }
  const std::lock_guard lock(mutex_);
  end({static_cast<int>(Code::unavailable), "the service takes no more calls"});
}

void BuiltInCall::OnReadDone(bool ok) {
  Body body;
  const bool readable = ok && body.take(in_);
  in_.Clear();
  BuiltInReply reply;
  if (readable) reply = built_in_(body.view());
  const std::lock_guard lock(mutex_);
  if (!readable) return end({});   // the caller has no more questions
  reply_ = std::move(reply);
  if (ended_) return;
  if (!reply_.has_message) return next();
  writing_ = true;
  make_buffer(reply_.message).Swap(&out_);
  StartWrite(&out_);
}

void BuiltInCall::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (ended_) return finish();
  if (!ok) return end({static_cast<int>(Code::cancelled), ""});
  next();
}

void BuiltInCall::next() {
  if (ended_) return;
  if (reply_.after == BuiltInReply::After::end) return end(reply_.status);
  if (stopping_) return end({static_cast<int>(Code::unavailable), "the service is shutting down"});
  if (reply_.after == BuiltInReply::After::read_on) StartRead(&in_);
}

void BuiltInCall::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  if (!writing_) end({static_cast<int>(Code::unavailable), "the service is shutting down"});
}

void BuiltInCall::OnCancel() {
  const std::lock_guard lock(mutex_);
  end({static_cast<int>(Code::cancelled), ""});
}

void BuiltInCall::end(const CallStatus& status) {
  if (std::exchange(ended_, true)) return;
  status_ = ::grpc::Status(static_cast<::grpc::StatusCode>(status.code), status.details);
  if (!writing_) finish();   // else once that write is done
}

void BuiltInCall::finish() {
  if (!stopping_ || reply_.farewell.empty()) return Finish(std::move(status_));
  make_buffer(reply_.farewell).Swap(&out_);
  StartWriteAndFinish(&out_, ::grpc::WriteOptions(), std::move(status_));
}

void BuiltInCall::OnDone() {
  service_->remove(*this);
  { const std::lock_guard lock(mutex_); }   // whoever ended it has left
  delete this;
}

}  // namespace ferry::grpc
