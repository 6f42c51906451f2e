#include "transports/grpc/service.hpp"

#include <limits>
#include <utility>

namespace ferry::grpc {

using Rank = transports::Mailbox<Arrival>::Rank;

// ---- Lane ------------------------------------------------------------------------------------------------------------

Lane::Lane(const spi::Loop& loop, spi::ServerSink& sink)
    : loop_(loop), sink_(sink), mailbox_(loop, std::numeric_limits<std::size_t>::max()) {}

std::shared_ptr<Lane> Lane::make(const spi::Loop& loop, spi::ServerSink& sink) {
  std::shared_ptr<Lane> lane(new Lane(loop, sink));
  lane->mailbox_.open(lane, [self = lane.get()](Arrival& arrival) { self->take(arrival); });
  return lane;
}

bool Lane::put(Arrival arrival) {
  const Rank rank = arrival.barrier ? Rank::last : Rank::message;
  return mailbox_.put(std::move(arrival), rank) == transports::Mailbox<Arrival>::Put::taken;
}

void Lane::set_paused(bool paused) {
  paused_.store(paused, std::memory_order_release);
  mailbox_.set_paused(paused);
}

void Lane::take(Arrival& arrival) {
  if (arrival.reads_on) arrival.reads_on->read_on();
  if (arrival.message && !arrival.message->abandoned()) sink_.on_message(std::move(arrival.message));
}

// ---- Service ---------------------------------------------------------------------------------------------------------

Service::Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings)
    : sink_(sink), serializer_(environment.serializer), main_loop_(*environment.loop), settings_(std::move(settings)) {
  for (const spi::Loop* loop : environment.loops) lanes_.push_back(Lane::make(*loop, sink));
  if (lanes_.empty()) lanes_.push_back(Lane::make(main_loop_, sink));
}

Lane& Service::lane_of(const ::grpc::ServerContextBase& call) const {
  return *(lanes_.size() == 1 ? lanes_.front() : lanes_[std::hash<std::string>()(call.peer()) % lanes_.size()]);
}

bool Service::enter() {
  if (draining()) return false;
  if (open_calls_.fetch_add(1, std::memory_order_relaxed) < settings_.max_calls) return true;
  leave();
  return false;
}

bool Service::add(LastingCall& call) {
  const std::lock_guard lock(mutex_);
  if (!enter()) return false;
  call.place = {nullptr, lasting_, true};
  if (lasting_ != nullptr) lasting_->place.previous = &call;
  lasting_ = &call;
  return true;
}

void Service::remove(LastingCall& call) {
  const std::lock_guard lock(mutex_);
  const LastingCall::Place place = std::exchange(call.place, {});
  if (!place.taken) return;
  (place.previous == nullptr ? lasting_ : place.previous->place.next) = place.next;
  if (place.next != nullptr) place.next->place.previous = place.previous;
  leave();
}

void Service::drain() {
  const std::lock_guard lock(mutex_);
  draining_.store(true, std::memory_order_release);
  for (LastingCall* call = lasting_; call != nullptr; call = call->place.next) call->stop();
}

void Service::report(Failure failure) {
  main_loop_.post([silence = silence_, &sink = sink_, failure = std::move(failure)] {
    if (!silence->load(std::memory_order_acquire)) sink.on_error(failure);
  });
}

}  // namespace ferry::grpc
