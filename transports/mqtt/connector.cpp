#include "transports/mqtt/connector.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/net/tls.hpp"

namespace ferry::mqtt {

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
  if (current_) std::exchange(current_, nullptr)->drop();
}

milliseconds Connector::left() const {
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(try_until_ - Clock::now()));
}

/// Each server gets an equal share of the time that is left.
void Connector::try_next() {
  const Clock::time_point now = Clock::now();
  const std::vector<net::Place>& places = access_->places;
  try_until_ = now + (deadline_ - now) / static_cast<Clock::rep>(places.size() - tried_);
  const net::Place& place = places[(first_ + tried_++) % places.size()];
  const std::string url = url_of(place, access_->tls != nullptr);
  dialer_ = std::make_shared<net::Dialer>(
      loop_, place, left(), url,
      [self = shared_from_this(), url](const Failure* failure, net::Socket socket, milliseconds) {
        self->dialer_.reset();
        if (!self->done_) return;
        if (failure != nullptr) self->failed(*failure);
        else self->dialed(url, std::move(socket));
      });
  dialer_->start();
}

void Connector::dialed(const std::string& url, net::Socket socket) {
  std::unique_ptr<net::Wire> wire;
  if (access_->tls) wire = std::make_unique<net::TlsWire>(std::move(socket), *access_->tls);
  else wire = std::make_unique<net::Wire>(std::move(socket));
  current_ = std::make_shared<Connection>(loop_, access_, std::move(wire), url);
  current_->start(left(), [self = shared_from_this(), url](const Failure* why) {
    auto made = std::exchange(self->current_, nullptr);
    if (!self->done_) return;
    if (why == nullptr) return self->finish(nullptr, std::move(made));
    self->failed(Failure(why->code, "cannot connect to " + url + ": " + why->detail, Fate::not_sent));
  });
}

void Connector::failed(const Failure& why) {
  if (tried_ == access_->places.size()) return finish(&why, nullptr);
  // Later, because the caller may be the connection that failed.
  loop_.post([self = shared_from_this()] {
    if (self->done_) self->try_next();
  });
}

void Connector::finish(const Failure* failure, std::shared_ptr<Connection> connection) {
  // Later, so that whoever is told may end what is calling us now.
  loop_.post([self = shared_from_this(), why = failure != nullptr ? *failure : Failure(), failed = failure != nullptr,
              connection = std::move(connection)]() mutable {
    if (!self->done_) {
      if (connection) connection->drop();
      return;
    }
    if (!failed && connection->gone()) {
      failed = true;
      why = Failure(errc::connection_lost, connection->name() + " closed the connection", Fate::not_sent);
    }
    std::exchange(self->done_, nullptr)(failed ? &why : nullptr, failed ? nullptr : std::move(connection));
  });
}

}  // namespace ferry::mqtt
