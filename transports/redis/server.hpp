#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/redis/service.hpp"

namespace ferry::redis {

/// A service in the mode of its options. All of it lives on the main loop.
class Server final : public spi::ServerTransport {
 public:
  Server(spi::ServerEnvironment environment, spi::ServerSink& sink);
  ~Server() override;

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override {
    service_->listen(std::move(subscriptions), std::move(done));
  }
  void pause() override { service_->hold(true); }
  void resume() override { service_->hold(false); }
  void drain(std::function<void()> done) override { service_->drain(std::move(done)); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) override {
    service_->close(limit, std::move(done));
  }
  std::string endpoint() const override { return service_->endpoint(); }
  spi::NativeHandle native() noexcept override { return service_->native(); }

 private:
  std::shared_ptr<Service> service_;
};

}  // namespace ferry::redis
