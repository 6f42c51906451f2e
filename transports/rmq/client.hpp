#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/common/extension.hpp"
#include "transports/rmq/confirms.hpp"
#include "transports/rmq/connection.hpp"
#include "transports/rmq/connector.hpp"
#include "transports/rmq/options.hpp"
#include "transports/rmq/setup.hpp"

namespace ferry::rmq {

/// Requests go out on one channel, which their replies come to; events on another one, whose messages the broker confirms;
/// cancels on a third, so that a broker that does not allow them harms nothing else.
class Client final : public spi::ClientTransport, private ConnectionUser {
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
  enum Channel : std::uint16_t { requests = 1, events, cancels };
  enum class Cancels : std::uint8_t { unused, opening, open, refused };

  struct Unconfirmed {
    spi::EmitToken token;
    bool returned = false;
    Failure why = {};
  };

  // ConnectionUser
  void on_method(Connection& connection, const Method& method) override;
  void on_content(Connection& connection, Content& content) override;
  void on_channel_closed(Connection& connection, std::uint16_t channel, const Failure& why) override;
  void on_blocked(Connection& connection, bool blocked, std::string_view reason) override;
  void on_gone(Connection& connection, const Failure& why) override;

  void connected();
  void ready();
  void hold(bool held);
  void forget_connection();
  bool admit(Failure& failure) const;
  Publication destination(const Pattern& pattern) const;
  void write_envelope(const spi::OutgoingMessage& message);
  bool read_headers(const spi::OutgoingMessage& message, Failure& failure);
  void introduce(std::chrono::steady_clock::time_point deadline);
  void take_confirmation(const Method& method);
  void take_reply(Content& content);
  void take_returned(Content& content);
  void met_ferry();
  void send_cancel(const std::string& id);

  spi::ClientEnvironment environment_;
  spi::ClientSink& sink_;
  const ClientSettings settings_;
  const std::shared_ptr<const Access> access_;
  std::size_t attempts_ = 0;
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<Setup> setup_;
  std::unique_ptr<Setup> cancels_setup_;
  bool ready_ = false;
  bool held_ = false;

  Confirms<Unconfirmed> unconfirmed_;

  bool ferry_ = false;                         // some service is
  unsigned introductions_ = 0;
  extension::TimeoutNotice timeout_;
  std::string timeout_text_;
  Cancels cancels_state_ = Cancels::unused;
  std::vector<std::string> cancelled_;         // until the channel is open

  std::string head_;                           // reused for every message
  std::string tail_;
  std::string table_;
  std::string default_table_;                  // of the options' headers alone
  Properties properties_;
  bool mandatory_ = false;
};

}  // namespace ferry::rmq
