#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nats/nats.h>

#include "ferry/spi/transport.hpp"
#include "transports/nats/connection.hpp"
#include "transports/nats/connector.hpp"
#include "transports/nats/consumer.hpp"
#include "transports/nats/delivery.hpp"
#include "transports/nats/inbox.hpp"
#include "transports/nats/options.hpp"
#include "transports/nats/stream.hpp"

namespace ferry::nats {

/// Subscribes to every route; in JetStream mode it also has a consumer for each, which brings the stored events.
class Server final : public spi::ServerTransport, private Connection::Owner {
 public:
  Server(spi::ServerEnvironment environment, spi::ServerSink& sink);
  ~Server() override;

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override;
  void pause() override;
  void resume() override;
  void drain(std::function<void()> done) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  std::string endpoint() const override { return endpoint_; }
  spi::NativeHandle native() noexcept override;

 private:
  struct Route {
    std::string pattern;
    std::string queue;
    natsSubscription* subscription = nullptr;
  };
  using Listened = std::function<void(const Failure*)>;

  // Connection::Owner
  void on_input() override;
  void on_output() override { live_->tidy(); }
  void on_gone(const Failure& why) override;
  void on_server_error(const Failure& failure) override { live_->report(failure); }

  bool read_routes(const std::vector<spi::Subscription>& subscriptions, Failure& failure);
  void connected(const std::shared_ptr<Connection>& connection, natsConnection* handle);
  bool subscribe(Failure& failure);
  bool subscribe(Route& route, Failure& failure);
  void set_up_stream();
  void confirm();
  void listening();
  void failed(const Failure& failure);
  void leave();

  void take_all();
  void take(Route& route);
  void take_cancels();
  void take(MessagePtr message, const Route& route);
  void take_request(NatsDelivery& delivery);
  void take_event(MessagePtr message, std::size_t prefix, std::shared_ptr<Settler> settler, std::string_view route);
  void start_consumers();
  void say_hello(const char* subject);
  void bound_pending();
  void drained();

  spi::ServerEnvironment environment_;
  spi::ServerSink& sink_;
  const ServerSettings settings_;
  const std::shared_ptr<LiveMessages> live_;
  std::vector<std::string> discovered_;
  std::vector<Route> routes_;
  Route cancels_;                              // what ferry clients no longer wait for
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<Inbox> inbox_;               // JetStream's answers
  std::shared_ptr<StreamSetup> setup_;
  std::vector<std::shared_ptr<Consumer>> consumers_;   // in the order of the routes
  Listened listened_;                          // while an attempt is made
  std::function<void()> drained_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::string endpoint_;
  bool paused_ = false;
  bool taking_ = false;
};

}  // namespace ferry::nats
