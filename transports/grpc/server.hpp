#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/spi/transport.hpp"

namespace ferry::grpc {

/// Lifetime: closed before it is destroyed, unless its loops have stopped.
class Server final : public spi::ServerTransport {
 public:
  Server(spi::ServerEnvironment environment, spi::ServerSink& sink);
  ~Server() override;

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override;
  void pause() override;
  void resume() override;
  void drain(std::function<void()> done) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  std::string endpoint() const override;
  spi::NativeHandle native() noexcept override;

 private:
  struct State;   // gRPC's headers stay out of this one
  const std::unique_ptr<State> state_;
};

}  // namespace ferry::grpc
