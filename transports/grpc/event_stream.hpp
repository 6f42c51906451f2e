#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include <grpcpp/generic/async_generic_service.h>

#include "transports/grpc/bytes.hpp"
#include "transports/grpc/method.hpp"
#include "transports/grpc/service.hpp"

namespace ferry::grpc {

/// One client's events in their order: a call that lasts as long as its connection.
///
/// Lifetime: held by gRPC until `OnDone`, and by what is on its way.
/// Threads:  reactions on gRPC's; `mutex_` guards what they and the loop touch.
class EventStream final : public LastingCall,
                          public Reads,
                          public ::grpc::ServerGenericBidiReactor,
                          public std::enable_shared_from_this<EventStream> {
 public:
  static ::grpc::ServerGenericBidiReactor* start(const std::shared_ptr<Service>& service, const ServerMethod& method,
                                                 ::grpc::GenericCallbackServerContext& context);

  void stop() override;
  void read_on() override;

 private:
  EventStream(const std::shared_ptr<Service>& service, const ServerMethod& method, ::grpc::GenericCallbackServerContext& context);

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  const char* hand_over(std::shared_ptr<Body> body);   // mutex held
  void end(::grpc::Status status);                     // mutex held

  const std::shared_ptr<Service> service_;
  const ServerMethod& method_;
  const std::string peer_;
  Lane& lane_;
  std::shared_ptr<EventStream> self_;   // gRPC's hold
  ::grpc::ByteBuffer in_;
  std::vector<std::string_view> events_;   // of the message being read

  std::mutex mutex_;
  bool done_ = false;      // gRPC is
  int untaken_ = 0;        // messages read that the loop has not taken
  bool reading_ = false;
  bool ended_ = false;
};

}  // namespace ferry::grpc
