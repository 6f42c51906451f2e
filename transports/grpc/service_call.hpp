#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <grpcpp/server_context.h>

#include "ferry/contexts/grpc_context.hpp"
#include "transports/grpc/bytes.hpp"
#include "transports/grpc/method.hpp"
#include "transports/grpc/service.hpp"

namespace ferry::grpc {

/// What all calls that handlers answer have in common: core's delivery, and what the handler is told of the call.
///
/// Lifetime: held by whoever handles it, and by gRPC until it is done.
/// Threads:  gRPC's and the handler's; `mutex_` guards what both touch.
class ServiceCall : public spi::Delivery, public GrpcContext {
 public:
  // Delivery
  Headers headers() const override;
  TransportContext* context() noexcept override { return this; }

  // GrpcContext
  std::string method() const override { return std::string(call_method_.path()); }
  std::string peer() const override;
  Headers metadata() const override;
  void add_initial_metadata(std::string_view key, std::string_view value) override;
  void add_trailing_metadata(std::string_view key, std::string_view value) override;
  void set_status(int code, std::string_view message, std::string_view details) override;

 protected:
  /// `call_method` lives as long as the service.
  ServiceCall(const std::shared_ptr<Service>& service, const ServerMethod& call_method, ::grpc::CallbackServerContext& context)
      : ServiceCall(service, service->lane_of(context), call_method, context) {}
  void dispose() noexcept override { delete this; }

  /// What a call ends with that the service takes no more: whoever made it may make it again elsewhere.
  static ::grpc::Status too_late() { return {::grpc::UNAVAILABLE, "the service is shutting down"}; }
  /// Nothing if it may go on, else what it ends with at once.
  std::optional<::grpc::Status> admit();
  /// Reads the request. False, with what it ends with, if it is none.
  bool read_request(const ::grpc::ByteBuffer& bytes, CallStatus& fault);
  /// On its way to the handler, with what came of it so far. False if nothing is taken any more.
  bool hand_over();
  void report(const std::string& fault);
  /// What a packet of the reply is; its trailing metadata are set. Mutex held.
  Answer answer(spi::ReplyKind kind, std::string& payload);
  ::grpc::Status last_status(const Answer& answer) const;   // mutex held
  /// gRPC is done with it.
  void done();

  const std::shared_ptr<Service> service_;
  Lane& lane_;
  const ServerMethod& call_method_;
  spi::DeliveryPtr self_;   // gRPC's hold
  Body body_;               // of the first message
  Incoming incoming_;

  mutable std::mutex mutex_;
  ::grpc::CallbackServerContext* context_;   // null once gRPC is done
  std::optional<CallStatus> own_status_;     // the handler's choice for a failure
  bool started_ = false;    // a message was given
  bool ending_ = false;     // nothing is taken any more

 private:
  ServiceCall(const std::shared_ptr<Service>& service, Lane& lane, const ServerMethod& call_method, ::grpc::CallbackServerContext& context);

  bool entered_ = false;    // it counts among the open ones
};

}  // namespace ferry::grpc
