#include "transports/grpc/unary_call.hpp"

#include <utility>

#if __has_include(<grpcpp/impl/server_callback_handlers.h>)
#include <grpcpp/impl/server_callback_handlers.h>
#else
#include <grpcpp/impl/codegen/server_callback_handlers.h>   // up to gRPC 1.5x
#endif

namespace ferry::grpc {

::grpc::ServerUnaryReactor* UnaryCall::start(std::shared_ptr<Service> service, const ServerMethod& call_method,
                                             ::grpc::CallbackServerContext& context, const ::grpc::ByteBuffer& request,
                                             ::grpc::ByteBuffer& response) {
  auto* const call = new UnaryCall(std::move(service), call_method, context, response);
  CallStatus fault{static_cast<int>(Code::unavailable), "the service is shutting down"};
  std::optional<::grpc::Status> refusal = call->admit();
  if (!refusal) {
    const bool good = call->read_request(request, fault);
    if (good && call->hand_over()) return call;
    if (!good && request.Valid()) call->report(fault.details);
    refusal.emplace(static_cast<::grpc::StatusCode>(fault.code), fault.details);
  }
  const std::lock_guard lock(call->mutex_);
  call->end(std::move(*refusal));
  return call;
}

void UnaryCall::reply(spi::ReplyKind kind, std::string& payload) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  const Answer given = answer(kind, payload);
  if (given.has_message) response_ = make_buffer(given.head, payload);
  if (given.last) end(last_status(given));
}

void UnaryCall::settle(spi::Settlement) {
  const std::lock_guard lock(mutex_);
  end(::grpc::Status(::grpc::DEADLINE_EXCEEDED, "nobody waits for the reply any more"));
}

void UnaryCall::end(::grpc::Status status) {
  if (!std::exchange(ending_, true)) Finish(std::move(status));
}

void UnaryCall::OnCancel() {
  {
    const std::lock_guard lock(mutex_);
    end(::grpc::Status::CANCELLED);
  }
  loop().post([self = self_] { static_cast<UnaryCall&>(*self).abandon(); });
}

void UnaryCall::kill() {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) context_->TryCancel();
  end(::grpc::Status::CANCELLED);
}

void UnaryMethods::add(const ServerMethod& method) {
  using Handler = ::grpc::internal::CallbackUnaryHandler<::grpc::ByteBuffer, ::grpc::ByteBuffer>;
  using Rpc = ::grpc::internal::RpcServiceMethod;
  AddMethod(new Rpc(method.path().c_str(), ::grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
  MarkMethodRawCallback(count_++, new Handler([service = service_, &method](::grpc::CallbackServerContext* context,
                                                                             const ::grpc::ByteBuffer* request,
                                                                             ::grpc::ByteBuffer* response) {
    return UnaryCall::start(service, method, *context, *request, *response);
  }));
}

}  // namespace ferry::grpc
