#include "transports/tcp/listener.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <asio/ip/v6_only.hpp>
#include <asio/local/stream_protocol.hpp>

#include "transports/tcp/error.hpp"

namespace ferry::tcp {
namespace {

using namespace std::chrono_literals;

constexpr auto wait_without_descriptors = 100ms;
constexpr auto between_shortages = 1s;   // without a failure; until then it is one, and reported once
constexpr int tries_for_a_port = 16;   // free at every address of the host

std::string place_of(const Endpoint& endpoint) {
  const std::string url = address_of(endpoint).url(false);
  return url.substr(url.find("://") + 3);
}

/// Not this socket's fault, and gone in a while.
bool is_shortage(const std::error_code& error) {
  return error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system ||
         error == std::errc::no_buffer_space || error == std::errc::not_enough_memory;
}

/// A connection that was gone before it was accepted.
bool is_passing(const std::error_code& error) {
  return error == std::errc::connection_aborted || error == std::errc::interrupted ||
         error == std::errc::resource_unavailable_try_again || error == std::errc::protocol_error ||
         error == std::errc::network_down || error == std::errc::host_unreachable ||
         error == std::errc::network_unreachable;
}

bool is_absent(const std::error_code& error) {
  return error == std::errc::address_family_not_supported || error == std::errc::address_not_available;
}

}  // namespace

Listener::Listener(const spi::Loop& main, std::vector<const spi::Loop*> loops, const ServerSettings& settings,
                   Events events)
    : main_(main),
      loops_(std::move(loops)),
      settings_(settings),
      events_(std::move(events)),
      resolver_(main.executor()) {}

// --- open -----------------------------------------------------------------------------------------------------------

void Listener::open(std::function<void(const Failure*)> done) {
  opened_ = std::move(done);
  auto self = shared_from_this();
  if (!settings_.place.path.empty()) return main_.post([self] { self->open_path(); });
  const std::string host = settings_.place.host.empty() ? "::" : settings_.place.host;
  resolver_.async_resolve(
      host, std::to_string(settings_.place.port),
      asio::ip::resolver_base::passive | asio::ip::resolver_base::numeric_service,
      [self, host](const std::error_code& error, const asio::ip::tcp::resolver::results_type& found) {
        if (self->closed_) return;
        if (!error) return self->open_addresses(found);
        const Failure failure(plain(error), "cannot listen on " + host + " (" + self->settings_.port_place +
                                         "): " + reason(error) + "; give an address or a name of this machine");
        self->finish_open(&failure);
      });
}

void Listener::finish_open(const Failure* failure) {
  const auto opened = std::exchange(opened_, nullptr);
  if (failure != nullptr) close();
  else for (const auto& door : doors_) accept(door);
  opened(failure);
}

void Listener::open_addresses(const asio::ip::tcp::resolver::results_type& found) {
  std::vector<Endpoint> endpoints;
  for (const auto& entry : found) {
    const Endpoint endpoint(entry.endpoint());
    if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end()) endpoints.push_back(endpoint);
  }
  Failure failure;
  for (int i = 0; i < tries_for_a_port; ++i) {
    failure = bind_all(endpoints);
    const bool retry = settings_.place.port == 0 && failure.code == std::errc::address_in_use;
    if (!retry) break;
  }
  finish_open(failure.code ? &failure : nullptr);
}

/// Every address that this machine has; the first free port counts for all of them.
Failure Listener::bind_all(const std::vector<Endpoint>& endpoints) {
  doors_.clear();
  url_.clear();
  Failure absent;
  std::uint16_t port = settings_.place.port;
  for (const Endpoint& endpoint : endpoints) {
    asio::ip::tcp::endpoint ip;
    ip.resize(endpoint.size());
    std::memcpy(ip.data(), endpoint.data(), endpoint.size());
    ip.port(port);
    auto door = std::make_shared<Door>(
        Door{Endpoint(ip), Acceptor(main_.executor()), asio::steady_timer(main_.executor())});
    const std::error_code error = bind(*door);
    if (is_absent(error)) {
      absent = cannot_listen(door->endpoint, error);
      continue;
    }
    if (error) {
      const Failure failure = cannot_listen(door->endpoint, error);
      doors_.clear();
      return failure;
    }
    std::error_code ignored;
    door->endpoint = door->acceptor.local_endpoint(ignored);
    port = address_of(door->endpoint).port;
    if (url_.empty() || !address_of(door->endpoint).v6) url_ = address_of(door->endpoint).url(settings_.tls != nullptr);
    doors_.push_back(std::move(door));
  }
  return doors_.empty() ? absent : Failure();
}

std::error_code Listener::bind(Door& door) const {
  std::error_code error;
  std::error_code ignored;
  Acceptor& acceptor = door.acceptor;
  acceptor.open(door.endpoint.protocol(), error);
  if (!error) keep_from_children(acceptor.native_handle());
  if (error) return plain(error);
  const int family = door.endpoint.protocol().family();
  if (family != AF_UNIX) acceptor.set_option(asio::socket_base::reuse_address(true), ignored);
  // "::" alone means IPv4 as well; a name that stands for both has an address of each.
  if (family == AF_INET6) acceptor.set_option(asio::ip::v6_only(address_of(door.endpoint).address != "::"), ignored);
  acceptor.bind(door.endpoint, error);
  if (!error && family == AF_UNIX && settings_.path_mode) {
    // Before `listen`: nobody can connect with the permissions it had for a moment.
    if (::chmod(settings_.place.path.c_str(), *settings_.path_mode) != 0) error.assign(errno, std::system_category());
  }
  if (!error) acceptor.listen(settings_.backlog, error);
  if (error) acceptor.close(ignored);
  return plain(error);
}

void Listener::open_path() {
  if (closed_) return;
  const std::string& path = settings_.place.path;
  const Endpoint endpoint{asio::local::stream_protocol::endpoint(path)};
  struct stat status {};
  std::error_code error;
  if (::lstat(path.c_str(), &status) == 0) {
    // Left behind by a program that was killed, or in use? Only connecting tells.
    Socket probe(main_.executor());
    probe.connect(endpoint, error);
    const bool stale = S_ISSOCK(status.st_mode) && plain(error) == std::errc::connection_refused;
    error = std::make_error_code(std::errc::address_in_use);
    if (stale && ::unlink(path.c_str()) == 0) error.clear();
  }
  auto door = std::make_shared<Door>(
      Door{endpoint, Acceptor(main_.executor()), asio::steady_timer(main_.executor())});
  if (!error) error = bind(*door);
  if (error) {
    const Failure failure = cannot_listen(endpoint, error);
    return finish_open(&failure);
  }
  bound_path_ = path;
  url_ = address_of(endpoint).url(settings_.tls != nullptr);
  doors_.push_back(std::move(door));
  finish_open(nullptr);
}

Failure Listener::cannot_listen(const Endpoint& endpoint, const std::error_code& error) const {
  std::string text = "cannot listen on " + place_of(endpoint) + " (" + settings_.port_place + "): " + reason(error);
  const bool path = !settings_.place.path.empty();
  if (error == std::errc::address_in_use) {
    text += path ? "; choose another path or stop the program that has it"
                 : "; choose another port or stop the program that has it";
  } else if (error == std::errc::permission_denied && !path) {
    text += "; ports below 1024 need privileges";
  } else if (is_absent(error)) {
    text += "; this machine does not have that address";
  }
  return Failure(error, std::move(text), Fate::not_sent);
}

void Listener::close() {
  closed_ = true;
  resolver_.cancel();
  std::error_code ignored;
  for (const auto& door : doors_) {
    door->acceptor.close(ignored);
    door->timer.cancel();
  }
  doors_.clear();
  if (!bound_path_.empty()) ::unlink(std::exchange(bound_path_, {}).c_str());
  if (!opened_) return;
  main_.post([opened = std::exchange(opened_, nullptr)] {
    const Failure failure(errc::closed, "the service was closed before it listened", Fate::not_sent);
    opened(&failure);
  });
}

// --- accept ---------------------------------------------------------------------------------------------------------

void Listener::accept(const std::shared_ptr<Door>& door) {
  const spi::Loop& loop = *loops_[next_loop_++ % loops_.size()];
  door->acceptor.async_accept(
      loop.executor(), [self = shared_from_this(), door, &loop](const std::error_code& error, Socket socket) {
        if (self->closed_) return;
        if (error) return self->on_accept_failed(door, plain(error));
        self->events_.accepted(loop, std::move(socket));
        if (!self->closed_) self->accept(door);
      });
}

void Listener::on_accept_failed(const std::shared_ptr<Door>& door, const std::error_code& error) {
  if (is_passing(error)) return accept(door);
  if (!is_shortage(error)) return listen_again(door, error);
  const auto now = std::chrono::steady_clock::now();
  if (now - last_shortage_ > between_shortages) {
    events_.trouble(Failure(error, "cannot accept connections on " + place_of(door->endpoint) + ": " + reason(error) +
                                       "; trying again"));
  }
  last_shortage_ = now;
  door->timer.expires_after(wait_without_descriptors);
  door->timer.async_wait([self = shared_from_this(), door](const std::error_code& cancelled) {
    if (!cancelled && !self->closed_) self->accept(door);
  });
}

void Listener::listen_again(const std::shared_ptr<Door>& door, const std::error_code& error) {
  std::error_code ignored;
  door->acceptor.close(ignored);
  const Failure failure(error, "no longer listening on " + place_of(door->endpoint) + ": " + reason(error));
  if (door->attempts >= settings_.retry_attempts) return events_.lost(failure);
  ++door->attempts;
  events_.trouble(failure);
  door->timer.expires_after(settings_.retry_delay);
  door->timer.async_wait([self = shared_from_this(), door](const std::error_code& cancelled) {
    if (cancelled || self->closed_) return;
    if (const std::error_code again = self->bind(*door)) return self->listen_again(door, again);
    self->accept(door);
  });
}

}  // namespace ferry::tcp
