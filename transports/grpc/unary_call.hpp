#pragma once

#include <memory>
#include <string>

#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/server_callback.h>

#include "transports/grpc/service_call.hpp"

namespace ferry::grpc {

/// One request of a contract and its one reply: gRPC has read the request before it tells of the call, and takes reply and
/// status as one. A stream of one message each way costs it more than twice as much.
class UnaryCall final : public ServiceCall, public ::grpc::ServerUnaryReactor {
 public:
  static ::grpc::ServerUnaryReactor* start(const std::shared_ptr<Service>& service, const ServerMethod& call_method,
                                           ::grpc::CallbackServerContext& context, const ::grpc::ByteBuffer& request,
                                           ::grpc::ByteBuffer& response);

  // Delivery
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;

 private:
  UnaryCall(const std::shared_ptr<Service>& service, const ServerMethod& call_method, ::grpc::CallbackServerContext& context,
            ::grpc::ByteBuffer& response)
      : ServiceCall(service, call_method, context), response_(response) {}

  // Reactions. They are short: gRPC need not give each to one more thread.
  bool InternalInlineable() override { return true; }
  void OnCancel() override;
  void OnDone() override { done(); }

  void end(::grpc::Status status);

  ::grpc::ByteBuffer& response_;
};

/// The unary methods of a contract, as gRPC knows those of generated code.
class UnaryMethods final : public ::grpc::Service {
 public:
  explicit UnaryMethods(std::shared_ptr<grpc::Service> service) : service_(std::move(service)) {}
  /// `method` lives as long as this.
  void add(const ServerMethod& method);

 private:
  const std::shared_ptr<grpc::Service> service_;
  int count_ = 0;
};

}  // namespace ferry::grpc
