#include "transports/grpc/call.hpp"

#include <utility>

namespace ferry::grpc {

::grpc::ServerGenericBidiReactor* Call::start(const std::shared_ptr<Service>& service, const ServerMethod& call_method,
                                              ::grpc::GenericCallbackServerContext& context) {
  auto* const call = new Call(service, call_method, context);
  if (auto refusal = call->admit()) {
    call->refuse(std::move(*refusal));
    return call;
  }
  if (call_method.begins(call->incoming_)) {
    call->stream_ = call->incoming_.stream;
    if (!call->hand_over()) call->refuse(too_late());
    return call;
  }
  // A service that holds back reads no further messages: this one waits in gRPC, which holds its client back.
  if (!call->lane_.paused()) {
    call->StartRead(&call->in_);
  } else {
    spi::DeliveryPtr hold(call);
    Arrival arrival;
    arrival.reads_on = std::shared_ptr<Reads>(call, [hold](Reads*) {});
    if (!call->lane_.put(std::move(arrival))) call->refuse(too_late());
  }
  return call;
}

void Call::refuse(::grpc::Status status) {
  const std::lock_guard lock(mutex_);
  end(std::move(status));
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void Call::reply(spi::ReplyKind kind, std::string& payload) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  const Answer given = answer(kind, payload);
  if (given.has_message && !over_) outbox_.put(make_buffer(given.head, payload));
  given.last ? end(last_status(given)) : pump();
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

}  // namespace ferry::grpc
