#pragma once
// Messages whose handler failed: when they are tried again, and what they leave behind when they are not.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>

#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/payload.hpp"
#include "ferry/spi/delivery.hpp"

namespace ferry::detail {

struct RetrySettings {
  std::uint32_t attempts = 1;   ///< in all, those the broker counts included
  bool poison = false;          ///< give up what the broker has delivered more often than that, unhandled
  std::chrono::milliseconds backoff{100};
  std::chrono::milliseconds max_backoff{10000};
  std::size_t max_waiting = 1000;   ///< beyond it the transport is held back
};

/// What is kept of a message that is not tried again.
struct DeadLetter {
  Payload payload;
  Headers headers;   ///< its own, and what became of it: `dead-letter-...`
};
/// Keeps it, and calls back once from any thread: null when it is kept.
using DeadLetterSink = std::function<void(DeadLetter, std::function<void(const Failure*)>)>;

/// Threads: any.
class Retries {
 public:
  /// Why the handler of a message failed, and what a caller is told of it.
  struct Cause {
    std::string text;
    std::string answer;   // in the serializer's format
  };
  struct Hooks {
    std::function<void(spi::DeliveryPtr, bool again)> over;   ///< the wait is, and it may run again; false: the service drains
    std::function<void(bool)> hold_back;                      ///< the transport: as many wait as may
  };

  Retries(RetrySettings settings, Hooks hooks);

  void cause(const spi::Delivery& delivery, Cause cause);
  Cause take_cause(const spi::Delivery& delivery);
  /// False: it has had all its attempts.
  bool may_be_tried_again(const spi::Delivery& delivery) const { return delivery.attempt() < settings_.attempts; }
  bool draining() const;
  void wait(spi::DeliveryPtr delivery);
  /// From now on none waits.
  void drain();

 private:
  void ended(const spi::DeliveryPtr& delivery, bool again);

  const RetrySettings settings_;
  const Hooks hooks_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::unordered_map<const spi::Delivery*, Cause> causes_;
  std::unordered_map<const spi::Delivery*, std::pair<spi::DeliveryPtr, std::shared_ptr<asio::steady_timer>>> waiting_;
  bool draining_ = false;
};

DeadLetter dead_letter(const spi::DeliveryPtr& delivery, const std::string& route, const std::string& service, std::string cause);

}  // namespace ferry::detail
