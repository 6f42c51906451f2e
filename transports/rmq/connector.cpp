#include "transports/rmq/connector.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/net/tls.hpp"
#include "transports/rmq/error.hpp"

namespace ferry::rmq {

using std::chrono::milliseconds;

Connector::Connector(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t first, Done done)
    : loop_(loop), access_(std::move(access)), first_(first), done_(std::move(done)) {}

void Connector::start() {
  if (!done_) return;
  deadline_ = Clock::now() + access_->connect_timeout;
  try_next();
}

void Connector::cancel() {
  done_ = nullptr;
  if (dialer_) std::exchange(dialer_, nullptr)->cancel();
  if (connection_) std::exchange(connection_, nullptr)->drop();
}

/// Each broker gets an equal share of the time that is left.
void Connector::try_next() {
  const std::vector<Target>& targets = access_->targets;
  if (tried_ == targets.size()) return finish(&last_);
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
  const milliseconds share = std::max(milliseconds(1), left / static_cast<int>(targets.size() - tried_));
  const Target& target = targets[(first_ + tried_++) % targets.size()];
  dialer_ = std::make_shared<net::Dialer>(
      loop_, target.place, share, target.name,
      [self = shared_from_this(), &target](const Failure* failure, net::Socket socket, milliseconds time) {
        self->dialer_.reset();
        if (!self->done_) return;
        if (failure != nullptr) return self->failed(*failure);
        self->connect(target, std::move(socket), time);
      });
  dialer_->start();
}

void Connector::connect(const Target& target, net::Socket socket, milliseconds left) {
  std::unique_ptr<net::Wire> wire;
  if (target.tls) wire = std::make_unique<net::TlsWire>(std::move(socket), *target.tls);
  else wire = std::make_unique<net::Wire>(std::move(socket));
  connection_ = std::make_shared<Connection>(loop_, access_, target, std::move(wire));
  connection_->start(left, [self = shared_from_this(), name = target.name](const Failure* why) {
    if (!self->done_) return;
    if (why == nullptr) return self->finish(nullptr);
    self->connection_.reset();
    Failure failure(why->code, "cannot connect to " + name + ": " + why->detail, Fate::not_sent);
    // A broker that hangs up in the middle of the log-in was not reached either.
    if (failure.code == errc::connection_lost) failure.code = make_error_code(errc::not_connected);
    self->failed(failure);
  });
}

void Connector::failed(const Failure& why) {
  last_ = why;
  // Later, because the caller may be the connection that failed.
  loop_.post([self = shared_from_this()] {
    if (self->done_) self->try_next();
  });
}

void Connector::finish(const Failure* failure) {
  // Later, so that whoever is told may end what is calling us now.
  loop_.post([self = shared_from_this(), is_failure = failure != nullptr] {
    if (!self->done_) return;
    if (!is_failure && self->connection_->gone()) {
      return self->failed(Failure(errc::not_connected, self->connection_->name() + " closed the connection", Fate::not_sent));
    }
    std::exchange(self->done_, nullptr)(is_failure ? &self->last_ : nullptr, std::exchange(self->connection_, nullptr));
  });
}

}  // namespace ferry::rmq
