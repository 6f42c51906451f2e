#include "event_chain.hpp"

#include <utility>

#include <nlohmann/json.hpp>

namespace ferry::detail {

void EventChain::result(std::size_t index, std::string payload) {
  const std::lock_guard lock(mutex_);
  results_[index] = std::move(payload);
}

void EventChain::failed(std::string error_payload) {
  const std::lock_guard lock(mutex_);
  if (error_.empty()) error_ = std::move(error_payload);
}

bool EventChain::last_one(bool succeeded) {
  if (!succeeded) succeeded_.store(false, std::memory_order_release);
  return left_.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

void EventChain::answer(spi::Delivery& delivery) {
  if (!delivery.expects_reply()) return;
  const std::lock_guard lock(mutex_);
  if (!error_.empty()) return delivery.reply(spi::ReplyKind::error, error_);
  const auto value_of = [&](const std::string& result) {
    auto tree = delivery.serializer().decode(result);
    return tree ? std::move(*tree) : nlohmann::json();
  };
  nlohmann::json nested;
  bool innermost = true;
  for (auto result = results_.rbegin(); result != results_.rend(); ++result) {
    nlohmann::json level;
    if (innermost) {
      nested = result->empty() ? nlohmann::json() : value_of(*result);
      innermost = false;
      continue;
    }
    if (!result->empty()) level["current"] = value_of(*result);
    level["next"] = std::move(nested);
    nested = std::move(level);
  }
  std::string payload;
  delivery.serializer().encode(nested, payload);
  delivery.reply(spi::ReplyKind::last_item, payload);
}

}  // namespace ferry::detail
