#include "transports/nats/inbox.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "transports/nats/error.hpp"

namespace ferry::nats {
namespace {

std::string unique_token() {
  constexpr std::string_view letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::random_device random;
  std::string token;
  for (int i = 0; i < 22; ++i) token += letters[random() % letters.size()];
  return token;
}

}  // namespace

Inbox::Inbox(std::shared_ptr<Connection> connection, const std::string& prefix)
    : connection_(std::move(connection)), prefix_(prefix + "." + unique_token() + ".") {}

bool Inbox::subscribe(Slot& slot, Failure& failure) {
  slot.subject_ = prefix_ + std::to_string(++number_) + ".";
  const std::string filter = slot.subject_ + "*";
  natsStatus status = natsConnection_SubscribeSync(&slot.subscription_, connection_->handle(), filter.c_str());
  // More than one read can bring. What reaches a free slot (a second service's answer) must not pile up.
  const int bytes = static_cast<int>(std::min<std::int64_t>(connection_->max_payload(), 1 << 30) + (8 << 20));
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(slot.subscription_, 65536, bytes);
  if (status == NATS_OK) return true;
  failure = driver_failure(status, "cannot subscribe to " + filter, Fate::not_sent);
  return false;
}

Inbox::Slot* Inbox::take(Failure& failure) {
  if (free_.empty()) {
    std::unique_ptr<Slot> made(new Slot);
    if (!subscribe(*made, failure)) return nullptr;
    free_.push_back(made.get());
    all_.push_back(std::move(made));
  }
  Slot* const slot = free_.back();
  if (slot->subscription_ == nullptr && !subscribe(*slot, failure)) return nullptr;
  free_.pop_back();
  slot->index_ = used_.size();
  used_.push_back(slot);
  return slot;
}

void Inbox::put_back(Slot& slot) {
  ++slot.turn_;
  slot.id.clear();
  slot.answered = nullptr;
  used_.back()->index_ = slot.index_;
  used_[slot.index_] = used_.back();
  used_.pop_back();
  free_.push_back(&slot);
}

void Inbox::retire(Slot& slot) {
  natsSubscription_Destroy(std::exchange(slot.subscription_, nullptr));
  put_back(slot);
}

Inbox::Slot* Inbox::find(std::string_view id) noexcept {
  for (Slot* slot : used_) {
    if (slot->use == Slot::Use::request && slot->id == id) return slot;
  }
  return nullptr;
}

void Inbox::drain(const Take& take) {
  ready_.clear();
  for (Slot* slot : used_) {
    int messages = 0;
    if (natsSubscription_GetPending(slot->subscription_, &messages, nullptr) == NATS_OK && messages > 0) ready_.push_back(slot);
  }
  // What is taken may release slots and take others. A slot itself stays.
  for (std::size_t i = 0; i < ready_.size(); ++i) drain(*ready_[i], take);
}

void Inbox::drain(Slot& slot, const Take& take) {
  const std::uint64_t turn = slot.turn_;
  int messages = 0;
  if (natsSubscription_GetPending(slot.subscription_, &messages, nullptr) != NATS_OK) return;
  for (; messages > 0 && slot.turn_ == turn; --messages) {
    natsMsg* raw = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&raw, slot.subscription_, 0);
    if (status == NATS_NO_RESPONDERS) {
      take(slot, nullptr);
      continue;
    }
    if (status != NATS_OK) return;
    MessagePtr message(raw);
    take(slot, raw);
    connection_->discard(std::move(message));
  }
}

}  // namespace ferry::nats
