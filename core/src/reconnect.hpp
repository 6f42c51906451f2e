#pragma once
// When a client or a service connects: decisions only. Time goes in and comes out as a delay; nothing here has a clock or a socket.

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "ferry/spi/transport.hpp"

namespace ferry::detail {

class Reconnect {
 public:
  enum class State : std::uint8_t { idle, connecting, connected, waiting, closed };

  /// `seed` makes the jitter of each its own.
  Reconnect(spi::ReconnectPolicy policy, std::uint64_t seed) : policy_(policy), random_(seed) {}

  State state() const noexcept { return state_; }

  /// A connection is needed. True: make an attempt now.
  bool wanted();
  void connected();
  /// The attempt failed or the connection went. The delay until the next attempt; nothing: stop trying until wanted.
  std::optional<std::chrono::milliseconds> lost();
  /// The delay has passed. True: make an attempt now.
  bool due();
  void close() noexcept { state_ = State::closed; }

 private:
  std::chrono::milliseconds next_delay();

  spi::ReconnectPolicy policy_;
  std::mt19937_64 random_;
  State state_ = State::idle;
  std::int64_t failures_ = 0;   // in a row
};

}  // namespace ferry::detail
