#pragma once

#include <memory>

#include "ferry/spi/transport.hpp"
#include "transports/rmq/service.hpp"

namespace ferry::rmq {

/// Core's handle of a service, which lives on while its messages do.
class Server final : public spi::ServerTransport {
 public:
  Server(const spi::ServerEnvironment& environment, spi::ServerSink& sink)
      : service_(std::make_shared<Service>(environment, sink)) {}
  ~Server() override { service_->shut(); }

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
  const std::shared_ptr<Service> service_;
};

}  // namespace ferry::rmq
