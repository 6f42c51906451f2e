#pragma once
// What a client does in either mode: two connections that come and go together.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/spi/transport.hpp"
#include "transports/redis/connection.hpp"
#include "transports/redis/connector.hpp"

namespace ferry::redis {

/// Connects when core says so, once.
/// Threads: its loop.
class Client : public spi::ClientTransport, protected ConnectionUser {
 public:
  Client(spi::ClientEnvironment environment, spi::ClientSink& sink, ClientSettings settings);
  ~Client() override;

  void connect() final;
  bool request(const spi::OutgoingMessage& message, Failure& failure) final;
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) final;
  void pause() final { hold(true); }
  void resume() final { hold(false); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) final;
  spi::NativeHandle native() noexcept final;

 protected:
  /// What commands are for. `emitted`: the token is core's.
  enum Kind : std::uint32_t { emitted = 1, unheeded, own_kinds };

  /// Both are there; ends in `ready`, or in a connection's end.
  virtual void on_connections() = 0;
  virtual void on_lost() = 0;
  virtual bool send_request(const spi::OutgoingMessage& message, Failure& failure) = 0;
  virtual void send_event(const spi::OutgoingMessage& message, spi::EmitToken token) = 0;

  void ready();
  void on_reply(Connection& connection, const Expected& expected, const Value& reply) override;
  void on_gone(Connection& connection, const Failure& why) final;

  /// `command`, then the envelope that `write_envelope` left, then the command's end. Takes the payload over.
  void append(std::string_view command, std::string& payload);
  void write_envelope(const spi::OutgoingMessage& message, const Headers& headers);
  std::size_t envelope_size(const std::string& payload) const noexcept { return head_.size() + payload.size() + tail_.size(); }
  bool has_room(std::size_t size, Failure& failure) const;
  void send_cancel(std::string_view id);

  bool connected() const noexcept { return open_; }
  Connection& commands() noexcept { return *connections_[0]; }
  Connection& subscriber() noexcept { return *connections_[1]; }
  spi::ClientSink& sink() noexcept { return sink_; }
  const spi::Loop& loop() const noexcept { return *environment_.loop; }
  const spi::Serializer& serializer() const noexcept { return *environment_.serializer; }
  const ClientSettings& settings() const noexcept { return settings_; }
  bool extensions() const noexcept { return environment_.extensions; }
  /// How long the caller still waits; `none` if for ever.

  std::string head_;       // reused for every message
  std::string tail_;
  std::string command_;

 private:
  void lose(const Failure& why);
  void drop_connections();
  void hold(bool held);
  bool admit(const spi::OutgoingMessage& message, Failure& failure) const;

  spi::ClientEnvironment environment_;
  spi::ClientSink& sink_;
  const ClientSettings settings_;
  const std::shared_ptr<const Access> access_;
  std::shared_ptr<Connector> connector_;
  Connections connections_;
  std::size_t attempts_ = 0;
  bool open_ = false;
  bool held_ = false;
};

/// The client of the options' mode.
std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment, spi::ClientSink& sink);

}  // namespace ferry::redis
