#pragma once
// One attempt of a client to get a socket: resolve, then one address after the other.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/tcp/options.hpp"
#include "transports/tcp/wire.hpp"

namespace ferry::tcp {

/// Lifetime: shared with its own operations.
/// Threads:  the client's loop. `done` is called once, never inside `start`; not after `cancel`.
class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  /// With a connected socket and the time left of `connectTimeout`, or with the failure of the last address tried.
  using Done = std::function<void(const Failure* failure, Socket socket, std::chrono::milliseconds left)>;

  Dialer(const spi::Loop& loop, const ClientSettings& settings, Done done);

  void start();
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void resolve();
  void try_next();
  void on_connected(const std::error_code& error);
  void give_up(const std::error_code& error);

  const ClientSettings& settings_;
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

/// "tcp://host:port", "tcps://host:port" or "tcp+unix:///path", as configured.
std::string url_of(const ClientSettings& settings);

}  // namespace ferry::tcp
