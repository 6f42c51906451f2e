#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/headers.hpp"
#include "ferry/pattern.hpp"
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
  /// An event by the service's own producer. It leaves once the handlers of this message have succeeded, and not if one
  /// fails; this message counts as handled once the event is stored. With `producer.transactionalId` both are one
  /// transaction. `record`: as `SendOptions::record`. Throws `Error` for what cannot be sent.
  virtual void emit(const Pattern& pattern, const nlohmann::json& data, const nlohmann::json& record = nullptr,
                    const Headers& headers = {}) = 0;
  virtual void heartbeat() = 0;                      ///< a long handler is still at work
  virtual void commit() = 0;                         ///< this message's offset + 1; refused in a transaction
  virtual void pause() = 0;                          ///< this partition
  virtual void resume() = 0;
};

}  // namespace ferry
