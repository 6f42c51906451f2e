#pragma once
// Interceptors that many services need. `app.use(Pipeline().interceptor(log_calls()))`.

#include <chrono>
#include <cstddef>
#include <cstdint>
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

/// How far a message is that may have been delivered before.
enum class Handled : std::uint8_t {
  no,        ///< it is the caller's to handle
  running,   ///< somebody is at it, and may yet fail
  done,
};

/// Where it is remembered which messages were handled. Whoever was told `Handled::no` says in the end `done` or `failed`.
/// A store that outlives its processes gives up what is running after a time of its own, for whoever was at it may be dead.
/// Threads: any.
class SeenMessages {
 public:
  virtual ~SeenMessages() = default;
  /// How far `id` is. If `no`, it is running from now on, in one step: of two who ask at once, one is told so.
  virtual task<Handled> begin(std::string id) = 0;
  /// It was handled, and need not be again.
  virtual task<void> done(std::string id) = 0;
  /// It was not handled after all, and may come again.
  virtual task<void> failed(std::string id) = 0;
};
/// In this process: the last `max_entries` that were handled, for `time_to_live`, and those that are running.
std::shared_ptr<SeenMessages> seen_in_memory(std::size_t max_entries = 100000,
                                             std::chrono::milliseconds time_to_live = std::chrono::hours(1));

/// Handles each event once, though it may be delivered twice: `id` gives its name, empty for one that has none, which is
/// always handled. One that was handled counts as handled again. One that comes while it is running fails, so that it comes again
/// (`retry`, at-least-once) should the one that runs fail. Requests pass: their callers wait for an answer of their own.
std::function<task<void>(Context&, Next&)> handle_once(std::shared_ptr<SeenMessages> seen,
                                                       std::function<std::string(Context&)> id);

}  // namespace ferry
