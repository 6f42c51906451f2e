#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/rmq/connection.hpp"
#include "transports/rmq/options.hpp"

namespace ferry::rmq {

/// One attempt to get a connection to one of the brokers, each in its turn.
///
/// Lifetime: shared with its own operations.
/// Threads:  its loop. `done` is called once, never inside `start`; not after `cancel`.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  using Done = std::function<void(const Failure*, std::shared_ptr<Connection>)>;

  /// `first`: which broker is tried first.
  Connector(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t first, Done done);

  void start();
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void try_next();
  void connect(const Target& target, net::Socket socket, std::chrono::milliseconds left);
  void failed(const Failure& why);
  void finish(const Failure* failure);

  const spi::Loop& loop_;
  const std::shared_ptr<const Access> access_;
  const std::size_t first_;
  Done done_;
  Clock::time_point deadline_;
  std::size_t tried_ = 0;
  std::shared_ptr<net::Dialer> dialer_;
  std::shared_ptr<Connection> connection_;
  Failure last_;
};

}  // namespace ferry::rmq
