#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/nats/connection.hpp"
#include "transports/nats/connector.hpp"
#include "transports/nats/inbox.hpp"
#include "transports/nats/options.hpp"
#include "transports/nats/stream.hpp"

namespace ferry::nats {

/// Requests go to their route, their answers come to a slot of the inbox. Events go to their route, or in JetStream mode
/// into the stream, whose confirmation comes to a slot as well.
class Client final : public spi::ClientTransport, private Connection::Owner {
 public:
  Client(spi::ClientEnvironment environment, spi::ClientSink& sink);
  ~Client() override;

  void connect() override;
  bool request(const spi::OutgoingMessage& message, Failure& failure) override;
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override;
  void cancel(std::string_view id) override;
  void pause() override { hold(true); }
  void resume() override { hold(false); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  spi::NativeHandle native() noexcept override;

 private:
  struct Emitted {
    std::uint64_t end;   // of its last byte, among all that was ever queued
    spi::EmitToken token;
  };

  // Connection::Owner
  void on_input() override;
  void on_output() override;
  void on_gone(const Failure& why) override;
  void on_server_error(const Failure& failure) override { sink_.on_error(failure); }

  void connected(const std::shared_ptr<Connection>& connection, natsConnection* handle);
  void ready();
  void end_setup();
  void hold(bool held);
  void take(Inbox::Slot& slot, natsMsg* message);
  void take_reply(Inbox::Slot& slot, natsMsg* message);
  void take_confirmation(Inbox::Slot& slot, natsMsg* message);
  void refuse(Inbox::Slot& slot);
  bool prepare(const spi::OutgoingMessage& message, Failure& failure);
  const Headers& outgoing_headers(const Headers& headers);
  bool emit_confirmed(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure);
  bool send(const std::string& subject, const char* reply, const Headers& headers, Failure& failure);

  spi::ClientEnvironment environment_;
  spi::ClientSink& sink_;
  const ClientSettings settings_;
  std::vector<std::string> discovered_;        // servers the cluster told of
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<Inbox> inbox_;
  std::shared_ptr<StreamSetup> setup_;         // until the stream is there
  bool ready_ = false;
  bool held_ = false;
  bool peer_is_ferry_ = false;
  std::string message_id_prefix_;              // unique for each connection
  std::string body_;                           // reused for every message
  std::string tail_;
  std::string subject_;
  std::string reply_id_;
  Headers headers_;
  std::deque<Emitted> emitted_;                // in the order they were queued
};

}  // namespace ferry::nats
