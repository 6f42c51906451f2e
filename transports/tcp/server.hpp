#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/tcp/listener.hpp"
#include "transports/tcp/peer.hpp"

namespace ferry::tcp {

/// The connections of one loop.
/// Lifetime: shared with what is posted to the loop.
/// Threads:  its loop.
class PeerGroup : public std::enable_shared_from_this<PeerGroup> {
 public:
  PeerGroup(const spi::Loop& loop, std::shared_ptr<Service> service) : loop_(loop), service_(std::move(service)) {}

  const spi::Loop& loop() const noexcept { return loop_; }
  void add(Socket socket);
  void hold(bool held);
  void drain();
  /// Ends all connections; calls `done`, on this loop, when the last is gone.
  void close(std::chrono::milliseconds limit, std::function<void()> done);
  void destroy();
  /// Soon closes those that hold most, until what all hold together is within its limit. From any thread.
  void post_shed();

 private:
  void shed();
  std::vector<std::shared_ptr<Peer>> peers() const;
  void forget(Peer& peer);

  const spi::Loop& loop_;
  const std::shared_ptr<Service> service_;
  std::unordered_map<Peer*, std::shared_ptr<Peer>> peers_;
  bool closed_ = false;
  std::function<void()> emptied_;
  std::atomic<bool> shed_posted_{false};
};

/// Messages come in as `TcpDelivery`. Connections are spread over the loops of the environment in turn.
class Server final : public spi::ServerTransport {
 public:
  Server(spi::ServerEnvironment environment, spi::ServerSink& sink);
  ~Server() override;

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override;
  void pause() override { hold(true); }
  void resume() override { hold(false); }
  void drain(std::function<void()> done) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  std::string endpoint() const override { return endpoint_; }

 private:
  void hold(bool held);
  void accepted(const spi::Loop& loop, Socket socket);
  /// Runs `work` on every loop with its connections; `done`, on the main loop, after all of them called back.
  void on_every_loop(std::function<void(PeerGroup&, std::function<void()>)> work, std::function<void()> done);

  spi::ServerEnvironment environment_;
  const std::shared_ptr<Service> service_;
  std::vector<std::shared_ptr<PeerGroup>> groups_;
  std::shared_ptr<Listener> listener_;
  std::string endpoint_;
  std::chrono::steady_clock::time_point refusal_reported_ = {};
  std::uint64_t refused_ = 0;
};

}  // namespace ferry::tcp
