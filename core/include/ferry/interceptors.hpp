#pragma once
// Interceptors that many services need. `app.use(Pipeline().interceptor(log_calls()))`.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ferry/log.hpp"
#include "ferry/pipeline.hpp"
#include "ferry/task.hpp"

namespace ferry {

/// Cancels a handler that takes longer, and tells its caller so: an `RpcError`. The handler must be a coroutine to be cut off; one
/// that ignores the cancel is waited for.
std::function<task<void>(Context&, Next&)> timeout(std::chrono::milliseconds limit);

/// Logs every message that was handled: pattern, correlation id, how long it took and how it ended.
std::function<void(Context&, Next&)> log_calls(LogLevel level = LogLevel::info);

struct CacheOptions {
  std::chrono::milliseconds time_to_live{60000};
  std::size_t max_entries = 1000;      ///< the one that was not asked for the longest goes first
  std::size_t max_bytes = 16 << 20;    ///< of keys and answers
};
/// Answers requests from what their handler answered to the same payload before, on the same route of the same service. Failures
/// and streams of several values are not kept. One cache for all handlers it is used for.
std::function<void(Context&, Next&)> cache(CacheOptions options = {});

/// Where it is remembered which messages were handled. Threads: any.
class SeenMessages {
 public:
  virtual ~SeenMessages() = default;
  /// True if `id` was not here, and is from now on.
  virtual task<bool> add(std::string id) = 0;
  /// It was not handled after all.
  virtual task<void> remove(std::string id) = 0;
};
/// In this process: the last `max_entries`, for `time_to_live`.
std::shared_ptr<SeenMessages> seen_in_memory(std::size_t max_entries = 100000,
                                             std::chrono::milliseconds time_to_live = std::chrono::hours(1));

/// Handles each event once, though it may be delivered twice: `id` gives its name, empty for one that has none, which is
/// always handled. An event whose handler failed is forgotten, so that it can come again.
std::function<task<void>(Context&, Next&)> handle_once(std::shared_ptr<SeenMessages> seen,
                                                       std::function<std::string(Context&)> id);

}  // namespace ferry
