#pragma once
// One attempt to get a connection: the servers one after the other.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/mqtt/connection.hpp"
#include "transports/mqtt/options.hpp"

namespace ferry::mqtt {

/// Lifetime: shared with its own operations.
/// Threads:  its loop. `done` is called once, never inside `start`; not after `cancel`.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  /// With a connection that the server has accepted, or with the failure of the last server tried.
  using Done = std::function<void(const Failure* failure, std::shared_ptr<Connection> connection)>;

  /// `first`: the server to begin with, so that each attempt begins with another.
  Connector(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t first, Done done);

  void start();
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void try_next();
  void dialed(const std::string& url, net::Socket socket);
  void failed(const Failure& why);
  void finish(const Failure* failure, std::shared_ptr<Connection> connection);
  std::chrono::milliseconds left() const;

  const spi::Loop& loop_;
  const std::shared_ptr<const Access> access_;
  const std::size_t first_;
  Done done_;
  Clock::time_point deadline_;
  Clock::time_point try_until_;          // the server at hand has so long
  std::size_t tried_ = 0;
  std::shared_ptr<net::Dialer> dialer_;
  std::shared_ptr<Connection> current_;  // not accepted yet
};

}  // namespace ferry::mqtt
