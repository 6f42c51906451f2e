#pragma once

#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/transport_context.hpp"

namespace ferry {

/// NestJS's NatsContext.
class NatsContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "nats";
  ~NatsContext() override;

  virtual std::string subject() const = 0;   ///< the concrete subject, also of a wildcard subscription
  virtual Headers headers() const = 0;       ///< NATS's own headers
};

}  // namespace ferry
