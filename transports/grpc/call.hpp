#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <grpcpp/generic/async_generic_service.h>

#include "ferry/contexts/grpc_context.hpp"
#include "transports/grpc/bytes.hpp"
#include "transports/grpc/inbox.hpp"
#include "transports/grpc/method.hpp"
#include "transports/grpc/outbox.hpp"
#include "transports/grpc/service.hpp"

namespace ferry::grpc {

/// One request, or a stream of them, and its replies: gRPC's reactor and core's delivery in one.
///
/// Lifetime: held by whoever handles it, and by gRPC until `OnDone`.
/// Threads:  reactions on gRPC's; `mutex_` guards what they and replies touch. gRPC runs no reaction inside a call to it.
class Call final : public spi::Delivery, public GrpcContext, public OpenCall, public ::grpc::ServerGenericBidiReactor {
 public:
  /// The reactor for gRPC. `method` lives as long as the service.
  static ::grpc::ServerGenericBidiReactor* start(std::shared_ptr<Service> service, const ServerMethod& call_method,
                                                 ::grpc::GenericCallbackServerContext& context);

  // Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  void read(std::function<void(Inbox::Next)> ready) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  TransportContext* context() noexcept override { return this; }

  // GrpcContext
  std::string method() const override { return path_; }
  std::string peer() const override { return peer_; }
  Headers metadata() const override;
  void add_initial_metadata(std::string_view key, std::string_view value) override;
  void add_trailing_metadata(std::string_view key, std::string_view value) override;
  void set_status(int code, std::string_view message, std::string_view details) override;

 private:
  Call(std::shared_ptr<Service> service, std::shared_ptr<Lane> lane, const ServerMethod& call_method, std::string peer,
       ::grpc::GenericCallbackServerContext& context);
  void dispose() noexcept override { delete this; }

  // Reactions.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { caller_gone(); }
  void OnDone() override;

  // OpenCall
  void kill() override;
  void stop_reading() override {}
  void read_on() override;

  bool hand_over();
  void take_next(bool ok);
  void serve_reader();                              // mutex held
  void read_more();                                 // mutex held
  void end(::grpc::Status status);                  // mutex held
  void pump();                                      // mutex held
  std::function<void()> take_ready();               // mutex held
  void caller_gone();
  ::grpc::Status last_status(const Answer& answer);  // mutex held

  const std::shared_ptr<Service> service_;
  const std::shared_ptr<Lane> lane_;
  const ServerMethod& call_method_;
  const std::string path_;
  const std::string peer_;
  spi::DeliveryPtr self_;   // gRPC's hold
  ::grpc::ByteBuffer in_;
  Body body_;            // of the first message
  Incoming incoming_;
  bool stream_ = false;   // of requests; before it is handed over

  mutable std::mutex mutex_;
  ::grpc::GenericCallbackServerContext* context_;   // null once gRPC is done
  Inbox inbox_;
  std::function<void(Inbox::Next)> reader_;
  bool reading_ = false;
  Outbox outbox_;
  std::optional<::grpc::Status> status_;    // given, not yet sent
  std::optional<CallStatus> own_status_;   // the handler's choice for a failure
  std::function<void()> ready_;
  bool writing_ = false;
  bool started_ = false;    // a message was given
  bool ending_ = false;     // nothing is taken any more
  bool finished_ = false;   // gRPC has the status
  bool over_ = false;       // nobody takes what is written
};

}  // namespace ferry::grpc
