#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <typeindex>
#include <typeinfo>
#include <unordered_map>
#include <utility>

#include "ferry/headers.hpp"
#include "ferry/payload.hpp"
#include "ferry/spi/delivery.hpp"
#include "ferry/transport_context.hpp"

namespace ferry {

/// What a handler may ask about the message it handles.
///
/// Lifetime: of one run of one handler; ends with it.
/// Threads:  one caller at a time, where the handler runs.
class Context {
 public:
  Context(spi::DeliveryPtr delivery, std::string_view transport, std::string_view service, const std::string& route)
      : delivery_(std::move(delivery)), transport_(transport), service_(service), route_(&route) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// The route of the handler's pattern: `{"cmd":"sum"}`, `user_created`.
  const std::string& pattern() const noexcept { return *route_; }
  bool is_event() const noexcept { return !delivery_->expects_reply(); }
  const Headers& headers() const {
    if (!headers_) headers_ = delivery_->headers();
    return *headers_;
  }
  /// The header `correlation-id` if the caller set one, else the request's id. Empty for an event without either.
  std::string correlation_id() const;
  /// When the caller stops waiting, if it told so. Not told by NestJS callers.
  std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept { return delivery_->deadline(); }
  /// True once nobody waits for the answer: the caller cancelled, or its connection is gone. A coroutine handler is
  /// cancelled in whatever Asio operation it awaits then.
  bool cancelled() const noexcept { return delivery_->abandoned(); }

  /// How often this message was handled, this time included: 1 at first. Counts what the broker counts, and the service's `retry`.
  std::uint32_t attempt() const noexcept { return delivery_->attempt(); }

  std::string_view transport() const noexcept { return transport_; }   ///< "tcp"
  std::string_view service() const noexcept { return service_; }       ///< its name in the config
  /// The payload as it came, not decoded.
  Payload payload() const { return Payload::view(delivery_); }

  /// The transport's own context, or null if the message came by another transport.
  template <class T>
  T* as() const noexcept { return dynamic_cast<T*>(delivery_->context()); }

  /// Per-request storage: one value a type, made at the first use.
  template <class T>
  T& storage() {
    auto& slot = storage_[std::type_index(typeid(T))];
    if (!slot) slot = std::make_shared<T>();
    return *static_cast<T*>(slot.get());
  }

  const spi::DeliveryPtr& delivery() const noexcept { return delivery_; }   ///< for pipelines and plugins

 private:
  spi::DeliveryPtr delivery_;
  std::string_view transport_;
  std::string_view service_;
  const std::string* route_;
  mutable std::optional<Headers> headers_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> storage_;
};

/// NestJS's RequestContext: the pattern and the data of what is being handled, with its context.
class RequestContext {
 public:
  explicit RequestContext(Context& context) noexcept : context_(&context) {}

  const std::string& pattern() const noexcept { return context_->pattern(); }
  Payload payload() const { return context_->payload(); }
  template <class T>
  T data() const { return payload().as<T>(); }
  Context& context() const noexcept { return *context_; }

 private:
  Context* context_;
};

}  // namespace ferry
