#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ferry/error.hpp"

namespace ferry {

/// Where a client's or a service's connection stands.
enum class Status : std::uint8_t {
  idle,          ///< nothing was asked of it yet
  connecting,
  connected,     ///< of a service: listening, or subscribed
  disconnected,  ///< the connection is gone
  reconnecting,  ///< the next attempt is being waited for, or made
  draining,      ///< takes no new work, finishes what runs
  blocked,       ///< the broker holds publishers back
  closed,        ///< for good
};
std::string_view to_string(Status status) noexcept;

struct StatusEvent {
  Status status = Status::idle;
  std::string detail;   ///< peer address, cause, time of the next attempt: for people
};

/// Called on the client's or service's loop; must not block.
using StatusHandler = std::function<void(const StatusEvent&)>;
using ErrorHandler = std::function<void(const Failure&)>;

}  // namespace ferry
