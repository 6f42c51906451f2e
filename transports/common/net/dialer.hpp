#pragma once
// One attempt of a client to get a socket: resolve, then one address after the other.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/common/net/place.hpp"
#include "transports/common/net/wire.hpp"

namespace ferry::net {

/// Lifetime: shared with its own operations.
/// Threads:  the client's loop. `done` is called once, never inside `start`; not after `cancel`.
class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  /// With a connected socket and the time left, or with the failure of the last address tried.
  using Done = std::function<void(const Failure* failure, Socket socket, std::chrono::milliseconds left)>;

  /// `limit`: for all of it. `url`: what `place` is called in errors.
  Dialer(const spi::Loop& loop, Place place, std::chrono::milliseconds limit, std::string url, Done done);

  void start();
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void resolve();
  void try_next();
  void on_connected(const std::error_code& error);
  void give_up(const std::error_code& error);

  const Place place_;
  const std::chrono::milliseconds limit_;
  const std::string url_;
  Done done_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer timer_;      // of the attempt at hand
  Socket socket_;
  std::vector<Endpoint> endpoints_;
  std::size_t next_ = 0;
  std::error_code last_error_;
  Clock::time_point deadline_;
  bool timed_out_ = false;
};

}  // namespace ferry::net
