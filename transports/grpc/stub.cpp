#include "transports/grpc/stub.hpp"

#include <utility>

namespace ferry::grpc {

const Stub::Method& Stub::method(const std::string& path, Method::RpcType type) {
  const auto [at, added] = methods_.try_emplace(path);
  if (added) at->second = std::make_unique<const Method>(at->first.c_str(), type, channel_);
  return *at->second;
}

void Stub::call(const std::string& path, ::grpc::ClientContext& context, const ::grpc::ByteBuffer& request,
                ::grpc::ByteBuffer& response, std::function<void(::grpc::Status)> done) {
  ::grpc::internal::CallbackUnaryCall(channel_.get(), method(path, Method::NORMAL_RPC), &context, &request, &response, std::move(done));
}

void Stub::prepare(const std::string& path, ::grpc::ClientContext& context, Reactor& reactor) {
  ::grpc::internal::ClientCallbackReaderWriterFactory<::grpc::ByteBuffer, ::grpc::ByteBuffer>::Create(
      channel_.get(), method(path, Method::BIDI_STREAMING), &context, &reactor);
}

}  // namespace ferry::grpc
