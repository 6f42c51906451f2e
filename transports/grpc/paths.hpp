#pragma once

#include <string_view>
#include <vector>

#include "transports/grpc/method.hpp"

namespace ferry::grpc {

/// Which paths a service answers, and how.
/// Threads: any, together.
class Paths {
 public:
  virtual ~Paths() = default;
  /// Null, with what the call ends, if it is not answered.
  virtual const ServerMethod* find(std::string_view path, CallStatus& refusal) const = 0;
  /// The path that brings events; null: none does.
  virtual const ServerMethod* events(std::string_view path) const = 0;
  /// Those of `find` that take one message and give one.
  virtual std::vector<const ServerMethod*> unary() const { return {}; }
};

}  // namespace ferry::grpc
