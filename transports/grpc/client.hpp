#pragma once

#include <memory>
#include <string>

#include "ferry/spi/transport.hpp"

namespace ferry::grpc {

/// One channel; gRPC finds and balances its connections, core says when a lost one is tried again.
class Client final : public spi::ClientTransport {
 public:
  Client(spi::ClientEnvironment environment, spi::ClientSink& sink);
  ~Client() override;

  void connect() override;
  bool request(const spi::OutgoingMessage& message, Failure& failure) override;
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override;
  bool write(std::string_view id, std::string& payload, Failure& failure) override;
  void end_writes(std::string_view id) override;
  bool writable(std::string_view id) const override;
  std::shared_ptr<const spi::PayloadFormats> formats() const override;
  void cancel(std::string_view id) override;
  bool hold(std::string_view id, bool held) override;
  void pause() override {}    // each stream is held alone
  void resume() override {}
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  spi::NativeHandle native() noexcept override;

 private:
  struct State;   // gRPC's headers stay out of this one
  const std::unique_ptr<State> state_;
};

}  // namespace ferry::grpc
