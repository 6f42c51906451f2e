#pragma once
// What a service answers by itself: the standard health service, and reflection.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "transports/grpc/error.hpp"
#include "transports/grpc/protos.hpp"

namespace ferry::grpc {

struct BuiltInReply {
  enum class After : std::uint8_t {
    read_on,   ///< the next message
    end,       ///< the call, with `status`
    stay,      ///< until the service stops: with `farewell`
  };
  After after = After::end;
  bool has_message = false;
  std::string message;
  CallStatus status;
  std::string farewell;
};

/// Answers one message of a call. Called on gRPC's threads, any number at once.
using BuiltIn = std::function<BuiltInReply(std::string_view)>;
using BuiltIns = std::map<std::string, BuiltIn, std::less<>>;   // by path

/// grpc.health.v1: the service as a whole (""), and each of `services`.
void add_health(const std::vector<std::string>& services, BuiltIns& out);
/// grpc.reflection.v1 and v1alpha, of a contract.
void add_reflection(std::shared_ptr<const Protos> protos, BuiltIns& out);

}  // namespace ferry::grpc
