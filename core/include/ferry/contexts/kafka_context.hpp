#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/transport_context.hpp"

namespace ferry {

/// NestJS's KafkaContext.
class KafkaContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "kafka";
  ~KafkaContext() override;

  virtual std::string_view message() const = 0;      ///< the value's bytes
  virtual std::string topic() const = 0;
  virtual std::int32_t partition() const = 0;
  virtual std::int64_t offset() const = 0;
  virtual std::optional<std::string> key() const = 0;
  virtual std::chrono::system_clock::time_point timestamp() const = 0;
  virtual Headers headers() const = 0;
  virtual void heartbeat() = 0;                      ///< a long handler is still at work
  virtual void commit() = 0;                         ///< this message's offset + 1
  virtual void pause() = 0;                          ///< this partition
  virtual void resume() = 0;
};

}  // namespace ferry
