#pragma once
// Requests or events in great number, and how long each took.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <asio/steady_timer.hpp>

#include <ferry/client.hpp>

#include "ending.hpp"
#include "histogram.hpp"
#include "message_arguments.hpp"

namespace ferry::tool {

struct LoadPlan {
  std::size_t in_flight = 16;
  std::chrono::milliseconds duration{10000};
  double rate = 0;       ///< a second; 0: closed loop
  bool events = false;
};

struct LoadResult {
  using Clock = std::chrono::steady_clock;
  struct Failures {
    std::uint64_t count = 0;
    Ending first;
  };

  std::chrono::nanoseconds elapsed{};   ///< to the last outcome
  std::uint64_t sent = 0;
  std::uint64_t late = 0;               ///< sent more than `late_after` behind their moment
  std::uint64_t not_sent = 0;           ///< whose moment came while all of `in_flight` were taken, until the end
  std::uint64_t failed = 0;
  std::map<std::string, Failures> failures;   ///< by kind
  Histogram latency;                    ///< of what succeeded

  static constexpr std::chrono::milliseconds late_after{1};
};

/// Closed loop: `in_flight` callers, each of which sends again when it has its outcome. Open loop: one message each
/// 1/`rate` seconds, whatever becomes of those before; the clock of a message starts at its moment, so that a service that
/// stalls is charged for those that had to wait, too. When `in_flight` are out, the next waits; nothing else queues.
///
/// Lifetime: outlives `run`. Threads: all on the client's loop, but for the constructor.
class Load {
 public:
  Load(Client client, const Message& message, LoadPlan plan);

  /// Until the duration has passed, or `stop`, and every message has its outcome.
  task<void> run();
  void stop();
  const LoadResult& result() const noexcept { return result_; }

 private:
  using Clock = LoadResult::Clock;

  task<void> one(Clock::time_point moment);
  task<void> exchange();
  task<void> caller();
  task<void> pace();
  task<void> until_idle();
  void launch(task<void> work);
  bool over() const { return stopped_ || Clock::now() >= end_; }

  const Client client_;
  const Message& message_;
  const LoadPlan plan_;
  LoadResult result_;
  Clock::time_point begin_;
  Clock::time_point end_;
  std::size_t running_ = 0;    // coroutines of `launch`
  bool stopped_ = false;
  asio::steady_timer moment_;  // of the next message
  asio::steady_timer slot_;    // never expires; cancelled when a message has its outcome
};

}  // namespace ferry::tool
