#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

#include "ferry/context.hpp"

namespace ferry {

/// When a batch handler is called: with `max` events, or with fewer once the first of them has waited for `wait`.
struct BatchOptions {
  std::size_t max = 100;
  std::chrono::milliseconds wait{100};
};

/// What a batch handler may ask about the events it was given, by their place in its vector.
///
/// Lifetime: of one run of the handler.
/// Threads:  one caller at a time, where the handler runs.
class BatchContext {
 public:
  BatchContext() = default;
  BatchContext(const BatchContext&) = delete;
  BatchContext& operator=(const BatchContext&) = delete;

  std::size_t size() const noexcept { return events_.size(); }
  Context& at(std::size_t index) { return events_.at(index).context; }
  /// This event fails, as if its own handler had thrown `error`; the others are not touched by that.
  template <class E>
  void fail(std::size_t index, E error) { events_.at(index).error = std::make_exception_ptr(std::move(error)); }

  /// For the engine.
  void add(spi::DeliveryPtr delivery, std::string_view transport, std::string_view service, const std::string& route) {
    events_.emplace_back(std::move(delivery), transport, service, route);
  }
  const std::exception_ptr& error(std::size_t index) const { return events_.at(index).error; }

 private:
  struct Event {
    Event(spi::DeliveryPtr delivery, std::string_view transport, std::string_view service, const std::string& route)
        : context(std::move(delivery), transport, service, route) {}
    Context context;
    std::exception_ptr error;
  };
  std::deque<Event> events_;
};

}  // namespace ferry
