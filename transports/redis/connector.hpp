#pragma once
// One attempt to get connections: where the server is, by whatever knows it, and so many connections to it.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/redis/connection.hpp"
#include "transports/redis/options.hpp"

namespace ferry::redis {

using Connections = std::vector<std::shared_ptr<Connection>>;

/// Lifetime: shared with its own operations.
/// Threads:  its loop. `done` is called once, never inside `start`; not after `cancel`.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  /// With `count` connections that are logged in, all to one server; or with the failure of the last place tried.
  using Done = std::function<void(const Failure* failure, Connections connections)>;

  /// `first`: the place (or sentinel) to begin with, so that each attempt begins with another.
  Connector(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t count, std::size_t first, Done done);

  void start();
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void try_next();
  void try_sentinel(const net::Place& sentinel);
  void ask_sentinel(const net::Place& sentinel);
  void try_server(const net::Place& place);
  void add_connection();
  void check_role();
  void failed(const Failure& why);
  void finish(const Failure* failure);

  void dial(const net::Place& place, bool tls, const LogIn& log_in,
            std::function<void(std::shared_ptr<Connection>)> ready);
  std::chrono::milliseconds left() const;

  const spi::Loop& loop_;
  const std::shared_ptr<const Access> access_;
  const std::size_t count_;
  const std::size_t first_;
  Done done_;
  Clock::time_point deadline_;
  Clock::time_point try_until_;          // the place at hand has so long
  std::size_t tried_ = 0;
  net::Place server_;
  std::shared_ptr<net::Dialer> dialer_;
  std::shared_ptr<Connection> current_;  // logging in, or being asked
  Connections connections_;
  Failure last_;
};

}  // namespace ferry::redis
