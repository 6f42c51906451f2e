#include "transports/redis/connector.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "transports/common/net/tls.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

using std::chrono::milliseconds;

/// How long the connection is silent before the system probes it; then as often, three times.
void set_keep_alive(net::Socket& socket, milliseconds silence) {
  if (silence <= milliseconds(0)) return;
  const int seconds = static_cast<int>(std::max<std::int64_t>(1, silence.count() / 1000));
  // Errors: a Unix-domain socket has none of this.
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
  const int probes = 3;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

}  // namespace

Connector::Connector(const spi::Loop& loop, std::shared_ptr<const Access> access, std::size_t count, std::size_t first,
                     Done done)
    : loop_(loop), access_(std::move(access)), count_(count), first_(first), done_(std::move(done)) {}

void Connector::start() {
  if (!done_) return;
  deadline_ = Clock::now() + access_->connect_timeout;
  try_next();
}

void Connector::cancel() {
  done_ = nullptr;
  if (dialer_) std::exchange(dialer_, nullptr)->cancel();
  if (current_) std::exchange(current_, nullptr)->drop();
  for (const auto& connection : std::exchange(connections_, {})) connection->drop();
}

milliseconds Connector::left() const {
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(try_until_ - Clock::now()));
}

/// Each place gets an equal share of the time that is left.
void Connector::try_next() {
  const std::vector<net::Place>& places = access_->sentinels.empty() ? access_->places : access_->sentinels;
  if (tried_ == places.size()) return finish(&last_);
  const Clock::time_point now = Clock::now();
  try_until_ = now + (deadline_ - now) / static_cast<Clock::rep>(places.size() - tried_);
  const net::Place& place = places[(first_ + tried_++) % places.size()];
  if (access_->sentinels.empty()) try_server(place);
  else try_sentinel(place);
}

// --- sentinels ------------------------------------------------------------------------------------------------------

void Connector::try_sentinel(const net::Place& sentinel) {
  dial(sentinel, access_->sentinel_tls != nullptr, {access_->sentinel_credentials, {}, 0},
       [this, sentinel](std::shared_ptr<Connection> connection) {
         current_ = std::move(connection);
         ask_sentinel(sentinel);
       });
}

void Connector::ask_sentinel(const net::Place& sentinel) {
  std::string command;
  append_command(command, {"SENTINEL", "get-master-addr-by-name", access_->master});
  current_->ask(command, [self = shared_from_this(), sentinel](const Value& reply) {
    if (!self->done_ || !self->current_) return;
    const auto connection = std::exchange(self->current_, nullptr);
    const std::string name = connection->name();
    net::Place master = self->access_->sentinels.front();   // for noDelay and the like
    master.host = std::string(reply.at(0).text);
    const std::string_view port = reply.at(1).text;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), master.port);
    const bool understood = !master.host.empty() && parsed.ec == std::errc() && parsed.ptr == port.data() + port.size();
    Failure failure(RedisError::no_master, "the sentinel " + name + " knows no master \"" + self->access_->master + '"',
                    Fate::not_sent);
    if (reply.is(Value::Type::error)) failure = refusal("asking the sentinel " + name, reply.text);
    // Later: this is a call of the connection's.
    self->loop_.post([self, connection, master, understood, failure] {
      connection->drop();
      if (!self->done_) return;
      if (understood) self->try_server(master);
      else self->failed(failure);
    });
  });
}

// --- servers --------------------------------------------------------------------------------------------------------

void Connector::try_server(const net::Place& place) {
  server_ = place;
  add_connection();
}

void Connector::add_connection() {
  const LogIn log_in{access_->credentials, access_->connection_name, access_->db};
  dial(server_, access_->tls != nullptr, log_in, [this](std::shared_ptr<Connection> connection) {
    connections_.push_back(std::move(connection));
    if (connections_.size() < count_) return add_connection();
    if (access_->sentinels.empty()) return finish(nullptr);
    check_role();
  });
}

/// A sentinel may not have noticed yet that its master is one no more.
void Connector::check_role() {
  std::string command;
  append_command(command, {"ROLE"});
  connections_.front()->ask(command, [self = shared_from_this()](const Value& reply) {
    const bool demoted = reply.is(Value::Type::array) && reply.at(0).text != "master";
    const std::string role(reply.at(0).text);
    self->loop_.post([self, demoted, role] {
      if (!self->done_) return;
      if (!demoted) return self->finish(nullptr);
      self->failed(Failure(RedisError::read_only, url_of(self->server_, self->access_->tls != nullptr) +
                                                      " is no master but a " + role, Fate::not_sent));
    });
  });
}

// --- one connection -------------------------------------------------------------------------------------------------

void Connector::dial(const net::Place& place, bool tls, const LogIn& log_in,
                     std::function<void(std::shared_ptr<Connection>)> ready) {
  const std::string url = url_of(place, tls);
  const auto context = !tls ? nullptr : access_->tls;
  dialer_ = std::make_shared<net::Dialer>(
      loop_, place, left(), url,
      [self = shared_from_this(), url, context, log_in, ready = std::move(ready)](
          const Failure* failure, net::Socket socket, milliseconds) {
        self->dialer_.reset();
        if (!self->done_) return;
        if (failure != nullptr) {
          Failure why = *failure;   // a socket's path that is not there is no more than a server that is not there
          if (!(why.code == errc::not_connected)) why.code = errc::not_connected;
          return self->failed(why);
        }
        set_keep_alive(socket, self->access_->keep_alive);
        std::unique_ptr<net::Wire> wire;
        if (context) wire = std::make_unique<net::TlsWire>(std::move(socket), *context);
        else wire = std::make_unique<net::Wire>(std::move(socket));
        auto connection = std::make_shared<Connection>(self->loop_, self->access_, std::move(wire), url);
        self->current_ = connection;
        connection->start(self->left(), log_in, [self, url, ready](const Failure* why) {
          const auto made = std::exchange(self->current_, nullptr);
          if (!self->done_) return;
          if (why == nullptr) return ready(made);
          self->failed(Failure(why->code, "cannot connect to " + url + ": " + why->detail, Fate::not_sent));
        });
      });
  dialer_->start();
}

void Connector::failed(const Failure& why) {
  if (!done_) return;
  last_ = why;
  for (const auto& connection : std::exchange(connections_, {})) connection->drop();
  // Later, because the caller may be the connection that failed.
  loop_.post([self = shared_from_this()] {
    if (self->done_) self->try_next();
  });
}

void Connector::finish(const Failure* failure) {
  // Later, so that whoever is told may end what is calling us now.
  loop_.post([self = shared_from_this(), is_failure = failure != nullptr] {
    if (!self->done_) return;
    for (const auto& connection : self->connections_) {
      if (!connection->gone()) continue;
      return self->failed(Failure(errc::connection_lost, connection->name() + " closed the connection", Fate::not_sent));
    }
    std::exchange(self->done_, nullptr)(is_failure ? &self->last_ : nullptr, std::exchange(self->connections_, {}));
  });
}

}  // namespace ferry::redis
