#include "transports/mqtt/inflow.hpp"

#include <functional>
#include <string_view>

namespace ferry::mqtt {
namespace {

std::uint64_t digest_of(const Publish& message) {
  const std::hash<std::string_view> hash;
  return hash(message.topic) * 31 + hash(message.payload);
}

}  // namespace

Inflow::Taken Inflow::take(const Publish& message) {
  if (message.qos == 2 && received_.contains(message.id)) return {Verdict::received, nullptr};
  if (const auto found = before_.find(message.id); found != before_.end()) {
    const ArrivalPtr arrival = found->second;
    before_.erase(found);
    const bool same = message.duplicate && arrival->qos == message.qos && arrival->digest == digest_of(message);
    if (same && arrival->answered) {
      window_.push_back(arrival);
      return {Verdict::known, arrival};
    }
  }
  auto arrival = std::make_shared<Arrival>();
  arrival->id = message.id;
  arrival->qos = message.qos;
  arrival->digest = digest_of(message);
  window_.push_back(arrival);
  return {Verdict::fresh, std::move(arrival)};
}

void Inflow::disconnected() {
  for (ArrivalPtr& each : window_) before_[each->id] = std::move(each);
  window_.clear();
}

void Inflow::connected(bool session_present) {
  if (session_present) return;
  before_.clear();
  received_.clear();
}

}  // namespace ferry::mqtt
