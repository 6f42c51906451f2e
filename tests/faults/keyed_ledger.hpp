#pragma once
// Numbered events with keys, and what became of them, in this process or in others.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "../support/await.hpp"
#include "ferry/ferry.hpp"

namespace ferry::test {

/// Which events were handled how often, and whether those with one key came in order.
/// Threads: any.
class KeyedLedger {
 public:
  KeyedLedger(int events, int keys) : seen_(static_cast<std::size_t>(events)), last_(static_cast<std::size_t>(keys), -1) {}

  /// An event's key is its number modulo the keys; an emitter has one key, and emits its next event when the last is stored.
  void handled(int n) {
    {
      const std::lock_guard lock(mutex_);
      if (seen_.at(static_cast<std::size_t>(n))++ != 0) return;
      int& last = last_[static_cast<std::size_t>(n) % last_.size()];
      if (n < last) ++disorder_;
      last = n;
    }
    distinct_.add();
  }
  bool reaches(int distinct, std::chrono::milliseconds limit) const { return distinct_.reaches(distinct, limit); }
  int lost() const { return count([](int times) { return times == 0 ? 1 : 0; }); }
  int duplicates() const { return count([](int times) { return std::max(times - 1, 0); }); }
  int disorder() const {
    const std::lock_guard lock(mutex_);
    return disorder_;
  }

 private:
  template <class F>
  int count(F f) const {
    const std::lock_guard lock(mutex_);
    int sum = 0;
    for (const int times : seen_) sum += f(times);
    return sum;
  }

  mutable std::mutex mutex_;
  std::vector<int> seen_;
  std::vector<int> last_;
  int disorder_ = 0;
  Counter distinct_;
};

/// Emits events until each is confirmed, with one coroutine a key.
/// Lifetime: longer than the client's application; declare it before.
class KeyedEmitters {
 public:
  KeyedEmitters(std::string pattern, int events, int keys) : pattern_(std::move(pattern)), events_(events), keys_(keys) {}

  void start(const Client& client) {
    for (int key = 0; key < keys_; ++key) {
      asio::co_spawn(client.loop().executor(), run(client, key), [this](std::exception_ptr) { over_.add(); });
    }
  }
  bool confirmed(int count, std::chrono::milliseconds limit) const { return confirmed_.reaches(count, limit); }
  bool over(std::chrono::milliseconds limit) const { return over_.reaches(keys_, limit); }
  int again() const { return again_; }

 private:
  task<void> run(Client client, int key) {
    asio::steady_timer pause(client.loop().executor());
    for (int n = key; n < events_; n += keys_) {
      for (bool done = false; !done;) {
        try {
          auto emission = client.emit(pattern_, n, SendOptions().record({{"key", std::to_string(key)}}));
          done = co_await std::move(emission) == Emitted::confirmed;
        } catch (const Error&) {
          ++again_;   // it may be there all the same: a duplicate
        }
        if (done) break;
        pause.expires_after(std::chrono::milliseconds(5));
        co_await pause.async_wait(asio::use_awaitable);
      }
      confirmed_.add();
    }
  }

  const std::string pattern_;
  const int events_;
  const int keys_;
  std::atomic<int> again_{0};
  Counter confirmed_;
  Counter over_;
};

}  // namespace ferry::test
