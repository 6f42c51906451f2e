#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/mqtt/service.hpp"

namespace ferry::mqtt {

/// Core's handle on a service. All of it lives on the main loop.
class Server final : public spi::ServerTransport {
 public:
  Server(const spi::ServerEnvironment& environment, spi::ServerSink& sink)
      : service_(std::make_shared<Service>(environment, sink)) {}
  ~Server() override {
    service_->silence();
    service_->loop().post([service = service_] { service->shut(); });
  }

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override {
    service_->listen(subscriptions, std::move(done));
  }
  void pause() override { service_->hold(true); }
  void resume() override { service_->hold(false); }
  void drain(std::function<void()> done) override { service_->drain(std::move(done)); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) override { service_->close(limit, std::move(done)); }
  std::string endpoint() const override { return service_->endpoint(); }
  spi::NativeHandle native() noexcept override { return service_->native(); }

 private:
  const std::shared_ptr<Service> service_;
};

}  // namespace ferry::mqtt
