#pragma once
// What the engine of a client knows, for the files that it is written in.

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/detail/client_core.hpp"
#include "in_flight.hpp"
#include "reconnect.hpp"
#include "request_id.hpp"
#include "resilience/client_policies.hpp"

namespace ferry::detail {

// Touched on the loop only, but for what stands below the mutex.
struct ClientCore::State {
  State(const ClientSettings& settings, const asio::any_io_executor& executor, std::uint64_t seed)
      : table(settings.max_in_flight),
        reconnect(settings.reconnect, seed),
        ids(seed),
        deadline_timer(executor),
        reconnect_timer(executor) {}

  std::unique_ptr<spi::ClientTransport> transport;
  InFlight table;
  Reconnect reconnect;
  RequestIds ids;
  std::unique_ptr<ClientPolicies> policies;   // null: nothing is retried, counted or limited
  std::deque<std::uint64_t> waiting;   // keys of what waits for a connection, in order
  // What lives on the loop is gone once the client is closed: a handle may outlive the application and its loops.
  std::optional<asio::steady_timer> deadline_timer;
  std::optional<asio::steady_timer> reconnect_timer;
  std::chrono::steady_clock::time_point armed_until = std::chrono::steady_clock::time_point::max();
  std::size_t readers_held = 0;
  bool admission_posted = false;
  bool closing = false;

  std::mutex mutex;
  std::vector<OperationPtr> queue;   // from other threads, in order; bounded by max_in_flight
  bool wake_up_posted = false;
  std::vector<StatusHandler> status_handlers;
  std::vector<ErrorHandler> error_handlers;
  std::vector<CircuitHandler> circuit_handlers;
};

}  // namespace ferry::detail
