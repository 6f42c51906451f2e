#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <grpcpp/generic/async_generic_service.h>

#include "transports/grpc/inbox.hpp"
#include "transports/grpc/outbox.hpp"
#include "transports/grpc/service_call.hpp"

namespace ferry::grpc {

/// One request, or a stream of them, and its replies: gRPC's reactor and core's delivery in one.
///
/// Threads:  reactions on gRPC's; `mutex_` guards what they and replies touch. gRPC runs no reaction inside a call to it.
class Call final : public ServiceCall, public Reads, public ::grpc::ServerGenericBidiReactor {
 public:
  /// The reactor for gRPC.
  static ::grpc::ServerGenericBidiReactor* start(const std::shared_ptr<Service>& service, const ServerMethod& call_method,
                                                 ::grpc::GenericCallbackServerContext& context);

  // Delivery
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  void read(std::function<void(Inbox::Next)> ready) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;

 private:
  Call(const std::shared_ptr<Service>& service, const ServerMethod& call_method, ::grpc::GenericCallbackServerContext& context)
      : ServiceCall(service, call_method, context) {}

  // Reactions.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { caller_gone(); }
  void OnDone() override { done(); }

  // Reads
  void read_on() override;

  void refuse(::grpc::Status status);
  void take_next(bool ok);
  void serve_reader();                              // mutex held
  void read_more();                                 // mutex held
  void end(::grpc::Status status);                  // mutex held
  void pump();                                      // mutex held
  std::function<void()> take_ready();               // mutex held
  void caller_gone();

  ::grpc::ByteBuffer in_;
  bool stream_ = false;   // of requests; before it is handed over

  Inbox inbox_;
  std::function<void(Inbox::Next)> reader_;
  bool reading_ = false;
  Outbox outbox_;
  std::optional<::grpc::Status> status_;    // given, not yet sent
  std::function<void()> ready_;
  bool writing_ = false;
  bool finished_ = false;   // gRPC has the status
  bool over_ = false;       // nobody takes what is written
};

}  // namespace ferry::grpc
