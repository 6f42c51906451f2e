#pragma once
// Which of the messages that a service has taken may run now: limits of concurrency and rate, order by key.

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "adaptive_limit.hpp"
#include "ferry/spi/delivery.hpp"
#include "ferry/spi/loop.hpp"
#include "key_order.hpp"
#include "token_bucket.hpp"

namespace ferry::detail {

struct RateSettings {
  std::int64_t messages = 0;
  std::chrono::milliseconds per{1000};
  std::int64_t burst = 0;
};

struct AdmissionSettings {
  std::size_t max_concurrency = 0;         ///< 0: no limit of its own
  std::size_t least_concurrency = 0;       ///< 0: the limit is fixed
  std::optional<RateSettings> rate;
  std::optional<nlohmann::json::json_pointer> order_by;

  bool any() const noexcept { return max_concurrency != 0 || rate || order_by; }
};

/// Threads: any. What waits for room or for a token holds the transport back. What waits behind others of its key does not, for
/// other keys may run: how many those are is for whoever counts all that was taken.
class Admission {
 public:
  struct Hooks {
    std::function<void(spi::DeliveryPtr)> start;   ///< called without a lock, on the message's loop or where it was admitted
    std::function<void(bool)> hold_back;           ///< the transport
  };

  Admission(AdmissionSettings settings, spi::Loop& loop, Hooks hooks);

  /// False: it must go back to its broker, as one before it in its order did.
  bool admit(spi::DeliveryPtr delivery);
  /// It runs no more, but keeps its place in the order of its key: it will be tried again.
  void pause(const spi::Delivery& delivery);
  void resume(spi::DeliveryPtr delivery);
  /// It was let run, and did not: nobody waits for it any more.
  void skipped(const spi::Delivery& delivery);
  /// It is over, running or paused.
  void finished(const spi::Delivery& delivery);
  /// It goes back to its broker, where those that came after it in its order must not overtake it: these, which are let go of, and
  /// all that come from now on.
  std::deque<spi::DeliveryPtr> leave(const spi::Delivery& delivery);
  /// Nothing waits for a token any more: the service drains.
  void drain();
  /// On the loop, when it will not run any more.
  void detach() { timer_.reset(); }

 private:
  struct Place {
    std::string key;
    bool ordered = false;
    bool running = false;
    std::chrono::steady_clock::time_point since;
    std::size_t with = 0;   // how many ran when it began, itself included; 0: how long it takes says nothing
  };
  using Ready = std::vector<spi::DeliveryPtr>;

  std::optional<std::string> key_of(const spi::Delivery& delivery) const;
  std::size_t limit() const noexcept;
  void stopped(Place& place);
  Ready pump();
  void start(Ready ready, const spi::Delivery* own = nullptr);
  void arm(std::chrono::steady_clock::time_point when);

  const AdmissionSettings settings_;
  spi::Loop& loop_;
  const Hooks hooks_;
  std::mutex mutex_;
  std::deque<spi::DeliveryPtr> queue_;   // their key is theirs, they wait for room
  std::unordered_map<const spi::Delivery*, Place> places_;
  KeyOrder<spi::DeliveryPtr> keys_;
  std::unordered_set<std::string> left_;   // keys of which one has gone back to its broker
  std::size_t running_ = 0;
  std::optional<AdaptiveLimit> adaptive_;
  std::optional<TokenBucket> bucket_;
  bool armed_ = false;
  bool held_back_ = false;
  bool draining_ = false;
  std::unique_ptr<asio::steady_timer> timer_;   // on the loop
};

}  // namespace ferry::detail
