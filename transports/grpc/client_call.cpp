#include "transports/grpc/client_call.hpp"

#include <limits>
#include <utility>

namespace ferry::grpc {
namespace {

// Of one call, what its client's loop has not taken.
constexpr int most_messages = 16;
constexpr std::size_t most_bytes = std::size_t{64} * 1024;

}  // namespace

Inlet::Inlet(const spi::Loop& loop) : mailbox_(loop, std::numeric_limits<std::size_t>::max()) {}

std::shared_ptr<Inlet> Inlet::make(const spi::Loop& loop, Mailbox::Take take) {
  std::shared_ptr<Inlet> inlet(new Inlet(loop));
  inlet->mailbox_.open(inlet, std::move(take));
  return inlet;
}

void ClientCall::start(Stub& stub, ::grpc::ByteBuffer&& message) {
  self_ = shared_from_this();
  const ::grpc::ByteBuffer& only = outbox_.only(std::move(message));
  if (method.one_reply()) {   // all of it in one operation of gRPC's, which is what such a call costs least
    return stub.call(method.path(), context, only, in_, [this](const ::grpc::Status& status) {
      replied_ = status.ok() && only_.take(in_);
      in_.Clear();
      OnDone(status);
    });
  }
  context.set_initial_metadata_corked(true);   // one frame with the message
  stub.prepare(method.path(), context, *this);
  StartWriteLast(&only, ::grpc::WriteOptions());
  StartRead(&in_);
  StartCall();
}

// ---- a stream of requests --------------------------------------------------------------------------------------------

void ClientCall::start_stream(Stub& stub) {
  self_ = shared_from_this();
  stub.prepare(method.path(), context, *this);
  AddHold();   // writes come from outside of reactions
  open_ = true;
  StartRead(&in_);
  StartCall();
}

void ClientCall::write(::grpc::ByteBuffer&& message) {
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  outbox_.put(std::move(message));
  pump();
}

void ClientCall::end_writes() {
  const std::lock_guard lock(mutex_);
  finishing_ = true;
  pump();
}

bool ClientCall::writable() const {
  const std::lock_guard lock(mutex_);
  if (!open_ || !outbox_.full()) return true;
  waited_for_ = true;
  return false;
}

void ClientCall::pump() {
  if (writing_ || !open_) return;
  if (!outbox_.empty()) {
    const ::grpc::ByteBuffer& message = outbox_.next();
    writing_ = true;
    return StartWrite(&message, outbox_.options());
  }
  if (!finishing_) return;
  StartWritesDone();
  close_writes();
}

void ClientCall::close_writes() {
  outbox_.clear();
  if (std::exchange(open_, false)) RemoveHold();
}

void ClientCall::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (ok) pump();
  else close_writes();   // the status follows
  if (!waited_for_ || (open_ && !outbox_.low())) return;
  waited_for_ = false;
  inlet_->put({.call = shared_from_this(), .of = News::Of::writable});
}

// ---- replies ---------------------------------------------------------------------------------------------------------

void ClientCall::OnReadDone(bool ok) {
  if (!ok) {   // the status follows: that of a stream of requests, too, whether it has ended or not
    const std::lock_guard lock(mutex_);
    return close_writes();
  }
  if (method.one_reply()) return keep();
  auto body = std::make_shared<Body>();
  const bool good = body->take(in_);
  in_.Clear();
  if (!good) {
    fault_ = "the service sent a message that cannot be decompressed";
    return give_up();
  }
  bool reads_on = false;
  {
    const std::lock_guard lock(mutex_);
    if (given_up_) return;   // while this came: whoever would take it, and let go of the hold, is gone
    untaken_bytes_ += body->view().size();
    reads_on = ++untaken_ < most_messages && untaken_bytes_ < most_bytes;
    if (!reads_on) {
      held_ = true;
      AddHold();
    }
    // Before the lock goes: as soon as the loop has taken an earlier one it may read, and the next would overtake this.
    inlet_->put({.call = shared_from_this(), .message = std::move(body)});
  }
  if (reads_on) StartRead(&in_);
}

/// What it is worth, the status says.
void ClientCall::keep() {
  if (std::exchange(replied_, true)) fault_ = "the service sent several messages for one reply";
  else if (!only_.take(in_)) fault_ = "the service sent a message that cannot be decompressed";
  in_.Clear();
  if (fault_ != nullptr) return give_up();
  StartRead(&in_);
}

void ClientCall::taken(const Body& message) {
  const std::lock_guard lock(mutex_);
  --untaken_;
  untaken_bytes_ -= message.view().size();
  if (!std::exchange(held_, false)) return;
  StartRead(&in_);
  RemoveHold();
}

void ClientCall::cancel() {
  ended = true;
  give_up();
}

void ClientCall::give_up() {
  context.TryCancel();   // not under the lock: gRPC may run reactions in it
  const std::lock_guard lock(mutex_);
  given_up_ = true;
  close_writes();
  if (std::exchange(held_, false)) RemoveHold();
}

void ClientCall::OnDone(const ::grpc::Status& status) {
  const std::shared_ptr<ClientCall> last = std::move(self_);
  News news{.call = last, .of = News::Of::end};
  if (replied_) news.message = std::shared_ptr<Body>(last, &only_);
  news.status = {static_cast<int>(status.error_code()), status.error_message()};
  if (fault_ != nullptr) news.status = {static_cast<int>(Code::internal), fault_};
  if (!status.ok()) {
    for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
      if (name == "date") continue;   // HTTP's, where a call is all trailers
      news.status.trailers.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
  }
  inlet_->put(std::move(news));
}

}  // namespace ferry::grpc
