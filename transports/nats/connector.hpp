#pragma once
// nats.c connects by blocking, name resolution and TLS handshake included: so it does on a thread of its own.

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <asio/steady_timer.hpp>
#include <nats/nats.h>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/nats/connection.hpp"
#include "transports/nats/options.hpp"

namespace ferry::nats {

/// One attempt to connect to one of the servers.
///
/// Lifetime: shared with its thread, which ends by itself, perhaps long after the attempt was given up.
/// Threads:  its loop.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  /// Null and the connection, on which `open` is to be called; or what went wrong.
  using Done = std::function<void(const Failure*, std::shared_ptr<Connection>, natsConnection*)>;

  /// `discovered`: servers that the cluster told of, to be tried as well.
  Connector(const spi::Loop& loop, const LinkSettings& settings, const std::vector<std::string>& discovered);
  ~Connector();

  /// Calls `done` later, on the loop, unless it is cancelled before.
  void start(Done done);
  /// Nothing is called any more; the attempt is left to itself.
  void cancel();
  /// `done` will not be called.
  void forget() { done_ = nullptr; }
  /// The same, and calls `ended` when the attempt is over, or given up after `limit`.
  void end(std::chrono::milliseconds limit, std::function<void()> ended);

 private:
  void run();
  natsStatus connect(natsConnection*& handle, std::string& text);
  natsStatus configure(natsOptions* options) const;
  natsStatus configure_tls(natsOptions* options) const;
  void finished(natsStatus status, const std::string& text, natsConnection* handle);
  std::string place() const;

  const spi::Loop& loop_;
  const LinkSettings settings_;
  std::vector<std::string> servers_;
  std::shared_ptr<Connection> connection_;
  std::optional<asio::steady_timer> timer_;   // gone with the attempt: the thread may outlive the loop
  Done done_;
  std::function<void()> ended_;
  std::thread thread_;
  std::mutex mutex_;
  bool given_up_ = false;   // nothing is posted any more
  bool ran_ = false;
  bool over_ = false;       // `finished` was called; the loop's
};

}  // namespace ferry::nats
