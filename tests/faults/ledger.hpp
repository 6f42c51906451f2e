#pragma once
// What a broker transport that confirms has to stand: nothing confirmed is lost when the broker is killed.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <iostream>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "../support/broker.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

namespace ferry::test {

/// How a transport wants the events of a ledger.
struct LedgerEmission {
  int ahead = 1 << 30;                             ///< so many more than were heard may be emitted
  int again = 10000;                               ///< so many may be heard twice: what was under way at a kill
  std::function<SendOptions(int)> options = {};    ///< of each number
};

/// Numbered events: which of them were heard, and how often. Outlives its service and its client.
class Ledger {
 public:
  static constexpr int messages = 100000;

  void hear(Application& service) {
    service.on_event("numbered", [this](std::size_t n) {
      if (seen_.at(n).fetch_add(1) == 0) heard_.add();
    });
  }

  /// Emits all of them, each again until it is confirmed, while the broker dies twice; then looks whether one is lost.
  /// `limit`: for a broker that starts slowly.
  void keep(const Client& client, Broker& broker, std::chrono::seconds limit, LedgerEmission how = {}) {
    how_ = std::move(how);
    for (int i = 0; i < emitters; ++i) {
      asio::co_spawn(client.loop().executor(), emit(client), [this](std::exception_ptr) { over_.add(); });
    }
    for (const int when : {messages / 4, messages / 2}) {
      REQUIRE(confirmed_.reaches(when, limit));
      broker.kill();
      broker.start();
    }
    REQUIRE(over_.reaches(emitters, limit));
    CHECK(confirmed_.get() == messages);
    CHECK(heard_.reaches(messages, limit));
    CHECK(client.in_flight() == 0);
    look();
  }

 private:
  static constexpr int emitters = 256;

  task<void> emit(Client client) {
    asio::steady_timer timer(client.loop().executor());
    const auto pause = [&timer](std::chrono::milliseconds time) {
      timer.expires_after(time);
      return timer.async_wait(asio::use_awaitable);
    };
    for (int n = next_++; n < messages; n = next_++) {
      while (n - heard_.get() > how_.ahead) co_await pause(std::chrono::milliseconds(1));
      for (bool done = false; !done;) {
        try {
          auto emission = client.emit("numbered", n, how_.options ? how_.options(n) : SendOptions());
          done = co_await std::move(emission) == Emitted::confirmed;
        } catch (const Error&) {
          ++repeated_;   // it may be there all the same: a duplicate
        }
        if (!done) co_await pause(std::chrono::milliseconds(5));
      }
      confirmed_.add();
    }
  }

  void look() const {
    int lost = 0;
    int duplicates = 0;
    for (const auto& times : seen_) {
      if (times == 0) ++lost;
      if (times > 1) duplicates += times - 1;
    }
    std::cout << "ledger: " << messages << " confirmed, " << lost << " lost, " << duplicates << " duplicates, " << repeated_
              << " emitted again" << std::endl;
    CHECK(lost == 0);
    CHECK(duplicates <= how_.again);
  }

  std::vector<std::atomic<int>> seen_ = std::vector<std::atomic<int>>(messages);
  std::atomic<int> next_{0};
  std::atomic<int> repeated_{0};
  Counter heard_;
  Counter confirmed_;
  Counter over_;
  LedgerEmission how_;
};

}  // namespace ferry::test
