#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ferry {

/// Where a client's circuit breaker stands. See `clients.NAME.circuit` in the config.
enum class Circuit : std::uint8_t {
  closed,     ///< requests pass; so it always is without a breaker
  open,       ///< requests are refused at once, with `errc::circuit_open`
  half_open,  ///< a few pass, to see whether the service is back; the others are refused
};
std::string_view to_string(Circuit circuit) noexcept;

struct CircuitEvent {
  Circuit circuit = Circuit::closed;
  std::string detail;   ///< what made it change: for people
};

/// Called on the client's loop; must not block.
using CircuitHandler = std::function<void(const CircuitEvent&)>;

}  // namespace ferry
