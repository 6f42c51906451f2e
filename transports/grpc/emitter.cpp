#include "transports/grpc/emitter.hpp"

#include <algorithm>
#include <utility>

#include "transports/grpc/envelope.hpp"

namespace ferry::grpc {
namespace {

constexpr std::size_t batch_bytes = std::size_t{64} * 1024;
constexpr std::size_t most_overhead = 11;   // the tag and the length that stand before an event

}  // namespace

Emitter::Emitter(std::shared_ptr<Inlet> inlet, std::size_t longest) : inlet_(std::move(inlet)), longest_(longest) {}

bool Emitter::fits(std::string_view head, std::string_view payload) const noexcept {
  return head.size() + payload.size() + most_overhead <= longest_;
}

void Emitter::start(Stub& stub) {
  self_ = shared_from_this();
  stub.prepare(std::string(envelope::emit_path), context_, *this);
  AddHold();   // writes come from outside of reactions
  held_ = true;
  StartRead(&in_);   // ends when the service ends the stream
  StartCall();
}

void Emitter::add(std::string_view head, std::string payload, spi::EmitToken token) {
  const std::size_t size = head.size() + payload.size() + most_overhead;
  if (waiting_.empty() || waiting_.back().bytes.size() + size > std::min(batch_bytes, longest_)) waiting_.emplace_back();
  envelope::append_event(head, payload, waiting_.back().bytes);
  waiting_.back().tokens.push_back(token);
  pump();
}

void Emitter::pump() {
  if (writing_ || !held_) return;
  if (waiting_.empty()) {
    if (finishing_) {
      StartWritesDone();
      let_go();
    }
    return;
  }
  writing_ = true;
  in_flight_ = std::move(waiting_.front().tokens);
  make_buffer({}, waiting_.front().bytes).Swap(&out_);
  waiting_.pop_front();
  StartWrite(&out_);
}

std::vector<spi::EmitToken> Emitter::written() {
  writing_ = false;
  std::vector<spi::EmitToken> done = in_flight();
  pump();
  return done;
}

void Emitter::finish() {
  finishing_ = true;
  pump();
}

void Emitter::cancel() {
  context_.TryCancel();
  let_go();
}

void Emitter::let_go() {
  if (std::exchange(held_, false)) RemoveHold();
}

std::vector<spi::EmitToken> Emitter::rest() {
  std::vector<spi::EmitToken> all;
  for (Batch& batch : waiting_) all.insert(all.end(), batch.tokens.begin(), batch.tokens.end());
  waiting_.clear();
  return all;
}

void Emitter::OnWriteDone(bool ok) {
  if (ok) inlet_->put({.emitter = shared_from_this(), .event = News::Event::written});
}

// A message would be of a newer ferry; the end of the stream is what this waits for.
void Emitter::OnReadDone(bool ok) {
  if (ok) return StartRead(&in_);
  inlet_->put({.emitter = shared_from_this(), .event = News::Event::closing});
}

void Emitter::OnDone(const ::grpc::Status& status) {
  const std::shared_ptr<Emitter> last = std::move(self_);
  inlet_->put({.status = {static_cast<int>(status.error_code()), status.error_message()}, .emitter = last, .event = News::Event::ended});
}

}  // namespace ferry::grpc
