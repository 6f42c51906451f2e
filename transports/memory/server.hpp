#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "hub.hpp"
#include "options.hpp"

namespace ferry::memory {

/// Takes every message, whatever its pattern: core answers those that nobody handles.
/// Lifetime: closed before it is destroyed, unless its loops have stopped.
class Server final : public spi::ServerTransport {
 public:
  Server(spi::ServerEnvironment environment, spi::ServerSink& sink);
  ~Server() override;

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override;
  void pause() override { listener_->set_paused(true); }
  void resume() override { listener_->set_paused(false); }
  void drain(std::function<void()> done) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  std::string endpoint() const override { return url_of(settings_.name); }

 private:
  const Settings settings_;
  spi::Loop& loop_;
  const std::shared_ptr<Listener> listener_;
};

}  // namespace ferry::memory
