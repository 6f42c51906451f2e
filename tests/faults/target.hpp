#pragma once
// A service in a process of its own, and one good client of it whose latency tells whether others can harm it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "../support/await.hpp"
#include "../support/process.hpp"
#include "../support/scratch.hpp"
#include "../support/usage.hpp"
#include "ferry/ferry.hpp"

namespace ferry::test {

/// ferry_echo_service with these options.
class Target {
 public:
  explicit Target(const nlohmann::json& options, int max_descriptors = 8192);

  std::uint16_t port() const noexcept { return port_; }
  Usage usage() const { return usage_of(process_->pid()); }
  void reset_peak() { test::reset_peak(process_->pid()); }
  /// Lines of its log with `text` in them.
  std::size_t logged(const std::string& text) const;
  /// SIGTERM; the exit code.
  int stop();

 private:
  ScratchDirectory directory_;
  std::unique_ptr<Process> process_;   // its log goes to a file: nobody reads a pipe while it runs
  std::uint16_t port_ = 0;
};

/// Milliseconds.
struct Latency {
  explicit Latency(std::vector<double> samples);
  double p50 = 0;
  double p99 = 0;
  double max = 0;
  std::size_t count = 0;
};

/// Calls, waits for the reply, pauses half a millisecond, and so on.
class GoodPeer {
 public:
  explicit GoodPeer(std::uint16_t port);
  ~GoodPeer();

  /// Of the calls since the last look; waits until there are at least `count`.
  Latency latency(std::size_t count = 500);
  int failures() const noexcept { return failures_; }

 private:
  task<void> call();

  std::atomic<int> failures_{0};
  std::atomic<bool> going_{true};
  Watched<std::vector<double>> samples_;
  Counter ended_;
  Application app_;
  Client client_;
};

}  // namespace ferry::test
