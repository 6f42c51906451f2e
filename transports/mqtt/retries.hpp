#pragma once
// Events whose handler failed, until they are tried again.

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>

#include <asio/steady_timer.hpp>

#include "ferry/spi/loop.hpp"
#include "transports/mqtt/delivery.hpp"

namespace ferry::mqtt {

/// Threads: its loop.
class Retries {
 public:
  using Again = std::function<void(Message)>;

  Retries(const spi::Loop& loop, Again again) : loop_(loop), again_(std::move(again)) {}
  ~Retries() { clear(); }
  Retries(const Retries&) = delete;
  Retries& operator=(const Retries&) = delete;

  std::size_t size() const noexcept { return waiting_.size(); }
  void add(Message message, std::chrono::milliseconds delay);
  /// Those whose time has come wait on while they are held.
  void hold(bool held);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void arm();
  void run();

  const spi::Loop& loop_;
  const Again again_;
  std::multimap<Clock::time_point, Message> waiting_;
  std::shared_ptr<asio::steady_timer> timer_;   // while something waits; its handler looks whether it is still this one
  bool held_ = false;
};

}  // namespace ferry::mqtt
