#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/transport_context.hpp"

namespace ferry {

/// What NestJS gives a gRPC handler besides the request: metadata in and out, and the call.
class GrpcContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "grpc";
  ~GrpcContext() override;

  virtual std::string method() const = 0;            ///< "/math.MathService/Sum"
  virtual std::string peer() const = 0;              ///< gRPC's form: "ipv4:127.0.0.1:50123"
  virtual Headers metadata() const = 0;              ///< of the request
  virtual void add_initial_metadata(std::string_view key, std::string_view value) = 0;   ///< before the first reply
  virtual void add_trailing_metadata(std::string_view key, std::string_view value) = 0;
  /// The status of a failed call; `details` is the binary google.rpc.Status, may be empty.
  virtual void set_status(int code, std::string_view message, std::string_view details = {}) = 0;
};

}  // namespace ferry
