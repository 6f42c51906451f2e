#pragma once
// Several event handlers on one route, running concurrently for one message.

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "ferry/detail/invocation.hpp"
#include "ferry/spi/delivery.hpp"

namespace ferry::detail {

/// Counts the handlers of one message down. A *request* to such a route is answered, as NestJS does, with
/// `{"current":r1,"next":{"current":r2,"next":r3}}`; the first error answers instead.
class EventChain {
 public:
  explicit EventChain(std::size_t handlers) : left_(handlers), results_(handlers) {}

  void result(std::size_t index, std::string payload);
  void failed(std::string error_payload);
  /// One handler is done. True for the last one, which then answers and settles.
  bool last_one(bool succeeded);
  bool all_succeeded() const noexcept { return succeeded_.load(std::memory_order_acquire); }
  void answer(spi::Delivery& delivery);

 private:
  std::atomic<std::size_t> left_;
  std::atomic<bool> succeeded_{true};
  std::mutex mutex_;
  std::vector<std::string> results_;   // empty: no value
  std::string error_;
};

}  // namespace ferry::detail
