#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include "transports/grpc/built_in.hpp"
#include "transports/grpc/paths.hpp"
#include "transports/grpc/service.hpp"
#include "transports/grpc/unary_call.hpp"

namespace ferry::grpc {

/// A listening gRPC server: gives each call to its reactor.
class Endpoint final : public ::grpc::CallbackGenericService {
 public:
  Endpoint(std::shared_ptr<Service> service, std::shared_ptr<const Paths> paths, BuiltIns built_ins)
      : service_(std::move(service)), paths_(std::move(paths)), built_ins_(std::move(built_ins)), unary_(service_) {}
  ~Endpoint() override;

  /// Nothing, or what was wrong.
  std::optional<Failure> open();
  /// Takes nothing new, and calls `done`, on a thread of its own, once every call has ended.
  void shut_down(std::function<void()> done);
  /// Of those that are still open when they should have ended. After `shut_down`.
  void cancel_calls();
  const std::string& address() const noexcept { return address_; }
  ::grpc::Server* server() noexcept { return server_.get(); }

 private:
  ::grpc::ServerGenericBidiReactor* CreateReactor(::grpc::GenericCallbackServerContext* context) override;

  const std::shared_ptr<Service> service_;
  const std::shared_ptr<const Paths> paths_;
  const BuiltIns built_ins_;
  UnaryMethods unary_;
  std::string address_;
  std::unique_ptr<::grpc::Server> server_;
  std::thread ending_;
};

}  // namespace ferry::grpc
