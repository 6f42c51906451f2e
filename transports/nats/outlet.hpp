#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "transports/nats/connection.hpp"

namespace ferry::nats {

/// A service's way out: its connection of the moment. Messages keep this, and so can still be answered and acknowledged
/// over the next connection when the one they came on is gone: subjects stay valid.
/// Threads: any.
class Outlet {
 public:
  std::shared_ptr<Connection> connection() const {
    const std::lock_guard lock(mutex_);
    return connection_;
  }
  void set(std::shared_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    connection_ = std::move(connection);
  }
  /// False if there is no connection, or the message was not taken.
  bool publish(const Outgoing& message, Failure& failure) const {
    const auto current = connection();
    if (current) return current->publish(message, failure);
    failure = Failure(errc::connection_lost, "there is no connection to the server", Fate::not_sent);
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace ferry::nats
