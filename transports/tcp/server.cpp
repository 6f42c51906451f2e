#include "transports/tcp/server.hpp"

#include <algorithm>
#include <atomic>

#include "transports/tcp/error.hpp"
#include "transports/common/net/tls.hpp"

namespace ferry::tcp {
namespace {

using namespace std::chrono_literals;

constexpr auto handshake_limit = 30000ms;
constexpr auto report_interval = 1s;   // of refused connections

}  // namespace

// --- PeerGroup ------------------------------------------------------------------------------------------------------

void PeerGroup::add(Socket socket) {
  if (closed_) {
    service_->connections.fetch_sub(1, std::memory_order_relaxed);
    return;   // and the socket closes
  }
  const ServerSettings& settings = service_->settings;
  prepare_socket(socket, settings.place.no_delay, settings.place.keep_alive);
  std::unique_ptr<Wire> wire;
  if (settings.tls) wire = std::make_unique<TlsWire>(std::move(socket), *settings.tls);
  else wire = std::make_unique<Wire>(std::move(socket));
  const auto forget = [self = std::weak_ptr(shared_from_this())](Peer& peer) {
    if (const auto group = self.lock()) group->forget(peer);
  };
  const auto peer = std::make_shared<Peer>(loop_, service_, std::move(wire), forget);
  peers_.emplace(peer.get(), peer);
  peer->start(handshake_limit);
}

// A copy, because what is done to a peer may take it out of the map.
std::vector<std::shared_ptr<Peer>> PeerGroup::peers() const {
  std::vector<std::shared_ptr<Peer>> all;
  all.reserve(peers_.size());
  for (const auto& [key, peer] : peers_) all.push_back(peer);
  return all;
}

void PeerGroup::forget(Peer& peer) {
  peers_.erase(&peer);
  if (peers_.empty() && emptied_) std::exchange(emptied_, nullptr)();
}

void PeerGroup::hold(bool held) {
  for (const auto& peer : peers()) peer->hold(held);
}

void PeerGroup::drain() {
  for (const auto& peer : peers()) peer->drain();
}

void PeerGroup::close(std::chrono::milliseconds limit, std::function<void()> done) {
  closed_ = true;
  if (peers_.empty()) return done();
  emptied_ = std::move(done);
  for (const auto& peer : peers()) peer->end(limit, false, Failure(errc::closed, "the service was closed"));
}

void PeerGroup::destroy() {
  closed_ = true;
  for (const auto& peer : peers()) peer->destroy(Failure(errc::closed, "the service was closed"));
}

void PeerGroup::post_shed() {
  if (shed_posted_.exchange(true, std::memory_order_acq_rel)) return;
  loop_.post([self = shared_from_this()] {
    self->shed_posted_.store(false, std::memory_order_release);
    self->shed();
  });
}

/// Nobody goes who holds no more than an even share. Together they hold more than that: on one of the loops is somebody
/// who does. A little room is made as well, so that it lasts.
void PeerGroup::shed() {
  const std::size_t limit = service_->settings.max_total_bytes;
  const std::size_t wanted = limit - limit / 8;
  const std::size_t held = service_->held.load(std::memory_order_relaxed);
  if (held <= limit) return;   // another loop was faster
  std::vector<std::shared_ptr<Peer>> all = peers();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->held() > b->held(); });
  const std::size_t share = wanted / std::max<std::size_t>(1, service_->connections.load(std::memory_order_relaxed));
  std::size_t closed = 0;
  Failure failure;
  for (const auto& peer : all) {
    if (service_->held.load(std::memory_order_relaxed) <= wanted || peer->held() <= share) break;
    if (closed++ == 0) {
      failure = Failure(TcpError::too_much_held, held_too_much_text(held, limit) + "; closing those that hold most: " +
                                                     peer->peer_name() + " with " + std::to_string(peer->held()));
    }
    peer->destroy(failure);
  }
  if (closed == 0) return;
  if (closed > 1) failure.detail += " and " + std::to_string(closed - 1) + " more";
  service_->report(failure);   // once, however many they are
}

// --- Server ---------------------------------------------------------------------------------------------------------

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink)
    : environment_(std::move(environment)), service_(std::make_shared<Service>()) {
  service_->sink = &sink;
  service_->serializer = environment_.serializer;
  service_->settings = server_settings(environment_);
  service_->extensions = environment_.extensions;
  if (environment_.loops.empty()) environment_.loops.push_back(environment_.loop);
  for (const spi::Loop* loop : environment_.loops) groups_.push_back(std::make_shared<PeerGroup>(*loop, service_));
  // Weak, because groups have the service.
  service_->on_excess = [groups = std::vector<std::weak_ptr<PeerGroup>>(groups_.begin(), groups_.end())] {
    for (const auto& each : groups) {
      if (const auto group = each.lock()) group->post_shed();
    }
  };
}

Server::~Server() {
  service_->silent.store(true, std::memory_order_release);
  if (listener_) listener_->close();
  for (const auto& group : groups_) group->loop().post([group] { group->destroy(); });
}

void Server::listen(std::vector<spi::Subscription>, std::function<void(const Failure*)> done) {
  Listener::Events events;
  events.accepted = [this](const spi::Loop& loop, Socket socket) { accepted(loop, std::move(socket)); };
  events.trouble = [this](const Failure& failure) { service_->report(failure); };
  events.lost = [this](const Failure& failure) {
    service_->report(failure);
    service_->sink->on_status({Status::disconnected, failure.detail});
  };
  const std::vector<const spi::Loop*> loops(environment_.loops.begin(), environment_.loops.end());
  listener_ = std::make_shared<Listener>(*environment_.loop, loops, service_->settings, std::move(events));
  listener_->open([this, done = std::move(done)](const Failure* failure) {
    if (failure == nullptr) {
      endpoint_ = listener_->url();
      service_->sink->on_status({Status::connected, endpoint_});
    }
    done(failure);
  });
}

void Server::accepted(const spi::Loop& loop, Socket socket) {
  const auto group = std::find_if(groups_.begin(), groups_.end(), [&](const auto& g) { return &g->loop() == &loop; });
  if (service_->connections.load(std::memory_order_relaxed) >= service_->settings.max_connections) {
    ++refused_;
    const auto now = std::chrono::steady_clock::now();
    if (now - refusal_reported_ < report_interval) return;
    refusal_reported_ = now;
    return service_->report(Failure(TcpError::too_many_connections,
                                    std::to_string(service_->settings.max_connections) +
                                        " connections are open, which is maxConnections: " + std::to_string(refused_) +
                                        " refused so far"));
  }
  service_->connections.fetch_add(1, std::memory_order_relaxed);
  loop.post([group = *group, socket = std::move(socket)]() mutable { group->add(std::move(socket)); });
}

void Server::hold(bool held) {
  service_->paused = held;   // for connections yet to come
  for (const auto& group : groups_) {
    // What holds is what was asked for last, in whatever order the loops come to it.
    group->loop().post([group, service = service_] { group->hold(service->paused); });
  }
}

void Server::on_every_loop(std::function<void(PeerGroup&, std::function<void()>)> work, std::function<void()> done) {
  const auto left = std::make_shared<std::atomic<std::size_t>>(groups_.size());
  const spi::Loop& main = *environment_.loop;
  const auto one_done = [left, &main, done = std::move(done)] {
    if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) main.post(done);
  };
  for (const auto& group : groups_) group->loop().post([group, work, one_done] { work(*group, one_done); });
}

void Server::drain(std::function<void()> done) {
  if (listener_) listener_->close();
  on_every_loop(
      [](PeerGroup& group, const std::function<void()>& one_done) {
        group.drain();
        one_done();
      },
      std::move(done));
}

void Server::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (listener_) listener_->close();
  on_every_loop([limit](PeerGroup& group, std::function<void()> one_done) { group.close(limit, std::move(one_done)); },
                [service = service_, done = std::move(done)] {
                  service->silent.store(true, std::memory_order_release);
                  done();
                });
}

}  // namespace ferry::tcp
