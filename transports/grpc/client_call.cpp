#include "transports/grpc/client_call.hpp"

#include <limits>
#include <utility>

namespace ferry::grpc {
namespace {

constexpr int read_ahead = 16;   // messages of one call that its client's loop has not taken

}  // namespace

Inlet::Inlet(const spi::Loop& loop) : mailbox_(loop, std::numeric_limits<std::size_t>::max()) {}

std::shared_ptr<Inlet> Inlet::make(const spi::Loop& loop, Mailbox::Take take) {
  std::shared_ptr<Inlet> inlet(new Inlet(loop));
  inlet->mailbox_.open(inlet, std::move(take));
  return inlet;
}

void ClientCall::start(::grpc::GenericStub& stub, ::grpc::ByteBuffer message) {
  self_ = shared_from_this();
  out_ = std::move(message);
  context.set_initial_metadata_corked(true);   // one frame with the message
  stub.PrepareBidiStreamingCall(&context, method.path(), {}, this);
  StartWriteLast(&out_, ::grpc::WriteOptions());
  StartRead(&in_);
  StartCall();
}

void ClientCall::OnReadDone(bool ok) {
  if (!ok) return;   // the status follows
  auto body = std::make_shared<Body>();
  if (!body->take(in_)) {
    context.TryCancel();
    return;
  }
  bool reads_on = false;
  {
    const std::lock_guard lock(mutex_);
    reads_on = ++untaken_ < read_ahead;
    if (!reads_on) {
      held_ = true;
      AddHold();
    }
    // Before the lock goes: as soon as the loop has taken an earlier one it may read, and the next would overtake this.
    inlet_->put({.call = shared_from_this(), .message = std::move(body)});
  }
  if (reads_on) StartRead(&in_);
}

void ClientCall::taken() {
  const std::lock_guard lock(mutex_);
  --untaken_;
  if (!std::exchange(held_, false)) return;
  StartRead(&in_);
  RemoveHold();
}

void ClientCall::cancel() {
  ended = true;
  context.TryCancel();
  const std::lock_guard lock(mutex_);
  if (std::exchange(held_, false)) RemoveHold();
}

void ClientCall::OnDone(const ::grpc::Status& status) {
  const std::shared_ptr<ClientCall> last = std::move(self_);
  inlet_->put({.call = last, .status = {static_cast<int>(status.error_code()), status.error_message()}});
}

}  // namespace ferry::grpc
