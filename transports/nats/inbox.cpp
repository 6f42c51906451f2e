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
  clear(*slot);
  slot->next_ = nullptr;
  slot->previous_ = newest_;
  (newest_ != nullptr ? newest_->next_ : oldest_) = slot;
  newest_ = slot;
  return slot;
}

void Inbox::put_back(Slot& slot) {
  ++slot.turn_;
  slot.id.clear();
  slot.answered = nullptr;
  (slot.previous_ != nullptr ? slot.previous_->next_ : oldest_) = slot.next_;
  (slot.next_ != nullptr ? slot.next_->previous_ : newest_) = slot.previous_;
  free_.push_back(&slot);
}

void Inbox::release(Slot& slot) { put_back(slot); }

void Inbox::retire(Slot& slot) {
  natsSubscription_Destroy(std::exchange(slot.subscription_, nullptr));
  put_back(slot);
}

/// What came for those who had the slot before, such as the answer of a second service.
void Inbox::clear(Slot& slot) {
  int messages = 0;
  if (natsSubscription_GetPending(slot.subscription_, &messages, nullptr) != NATS_OK) return;
  for (; messages > 0; --messages) {
    natsMsg* raw = nullptr;
    if (natsSubscription_NextMsg(&raw, slot.subscription_, 0) == NATS_OK) connection_->discard(MessagePtr(raw));
  }
}

Inbox::Slot* Inbox::find(std::string_view id) noexcept {
  for (Slot* slot = oldest_; slot != nullptr; slot = slot->next_) {
    if (slot->use == Slot::Use::request && slot->id == id) return slot;
  }
  return nullptr;
}

/// Answers mostly come in the order of the questions. So it looks from the oldest on, and no further than for as many
/// messages as have come: all slots in use were empty before.
void Inbox::drain(const Take& take) {
  ready_.clear();
  std::uint64_t left = connection_->arrived();
  for (Slot* slot = oldest_; slot != nullptr && left > 0; slot = slot->next_) {
    int messages = 0;
    if (natsSubscription_GetPending(slot->subscription_, &messages, nullptr) != NATS_OK || messages <= 0) continue;
    ready_.emplace_back(slot, messages);
    left -= std::min(left, static_cast<std::uint64_t>(messages));
  }
  // What is taken may release slots and take others. A slot itself stays.
  for (const auto& [slot, messages] : ready_) drain(*slot, messages, take);
}

void Inbox::drain(Slot& slot, int messages, const Take& take) {
  const std::uint64_t turn = slot.turn_;
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
