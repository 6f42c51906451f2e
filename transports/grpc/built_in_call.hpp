#pragma once

#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/generic/async_generic_service.h>

#include "transports/grpc/built_in.hpp"
#include "transports/grpc/bytes.hpp"
#include "transports/grpc/service.hpp"

namespace ferry::grpc {

/// A call that no handler sees: one message in, one out, in turn.
///
/// Lifetime: deletes itself when gRPC is done with it.
/// Threads:  reactions on gRPC's; `mutex_` guards what they and the service touch.
class BuiltInCall final : public LastingCall, public ::grpc::ServerGenericBidiReactor {
 public:
  BuiltInCall(std::shared_ptr<Service> service, const BuiltIn& built_in);

  void stop() override;

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void next();                       // mutex held
  void end(const CallStatus& status);   // mutex held
  void finish();                        // mutex held

  const std::shared_ptr<Service> service_;
  const BuiltIn& built_in_;
  ::grpc::ByteBuffer in_;
  ::grpc::ByteBuffer out_;
  BuiltInReply reply_;
  ::grpc::Status status_;

  std::mutex mutex_;
  bool writing_ = false;
  bool stopping_ = false;
  bool ended_ = false;
};

}  // namespace ferry::grpc
