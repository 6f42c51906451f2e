#pragma once

#include <string>
#include <string_view>

#include "ferry/transport_context.hpp"

namespace ferry {

/// NestJS's RedisContext.
class RedisContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "redis";
  ~RedisContext() override;

  virtual std::string channel() const = 0;   ///< the concrete channel, also of a wildcard subscription
};

}  // namespace ferry
