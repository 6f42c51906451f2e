#include "transports/grpc/unary_call.hpp"

#include <utility>

#if __has_include(<grpcpp/impl/server_callback_handlers.h>)
#include <grpcpp/impl/server_callback_handlers.h>
#else
#include <grpcpp/impl/codegen/server_callback_handlers.h>   // up to gRPC 1.5x
#endif

namespace ferry::grpc {

::grpc::ServerUnaryReactor* UnaryCall::start(const std::shared_ptr<Service>& service, const ServerMethod& call_method,
                                             ::grpc::CallbackServerContext& context, const ::grpc::ByteBuffer& request,
                                             ::grpc::ByteBuffer& response) {
  auto* const call = new UnaryCall(service, call_method, context, response);
  CallStatus fault;
  if (auto refusal = call->admit()) {
    call->end(std::move(*refusal));
  } else if (!call->read_request(request, fault)) {
    if (request.Valid()) call->report(fault.details);
    call->end({static_cast<::grpc::StatusCode>(fault.code), fault.details});
  } else if (!call->hand_over()) {
    call->end(too_late());
  }
  return call;
}

void UnaryCall::reply(spi::ReplyKind kind, std::string& payload) {
  ::grpc::Status status;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    const Answer given = answer(kind, payload);
    if (given.has_message) make_buffer(given.head, payload).Swap(&response_);
    if (!given.last) return;
    status = last_status(given);
    ending_ = true;
  }
  Finish(std::move(status));
}

void UnaryCall::settle(spi::Settlement) { end({::grpc::DEADLINE_EXCEEDED, "nobody waits for the reply any more"}); }

/// gRPC hears of it outside the lock: it may be done with the call, on another thread, before it returns.
void UnaryCall::end(::grpc::Status status) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ending_, true)) return;
  }
  Finish(std::move(status));
}

void UnaryCall::OnCancel() {
  end(::grpc::Status::CANCELLED);
  loop().post([self = self_] { static_cast<UnaryCall&>(*self).abandon(); });
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
