#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

namespace ferry::grpc {

/// The calls of one channel, as generated code makes them: a method is registered once, which gRPC's own generic stub does not,
/// and spares each call its name.
/// Threads: the client's loop.
class Stub {
 public:
  using Reactor = ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer>;

  explicit Stub(std::shared_ptr<::grpc::ChannelInterface> channel) : channel_(std::move(channel)) {}

  /// One message each way.
  void call(const std::string& path, ::grpc::ClientContext& context, const ::grpc::ByteBuffer& request,
            ::grpc::ByteBuffer& response, std::function<void(::grpc::Status)> done);
  /// Streams; begun by the reactor.
  void prepare(const std::string& path, ::grpc::ClientContext& context, Reactor& reactor);

 private:
  using Method = ::grpc::internal::RpcMethod;
  const Method& method(const std::string& path, Method::RpcType type);

  const std::shared_ptr<::grpc::ChannelInterface> channel_;
  std::unordered_map<std::string, std::unique_ptr<const Method>> methods_;
};

}  // namespace ferry::grpc
