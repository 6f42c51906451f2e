#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "ferry/spi/loop.hpp"

namespace ferry {

/// The loops that I/O and handlers run on, and the worker pool for handlers that block.
///
/// Lifetime: outlives every client and service made on it; `Application` sees to that.
/// Threads:  every function from any thread; `stop` not from a loop.
class Runtime {
 public:
  /// `threads` loops with a thread each; 0: one a core. `workers` threads for the pool; 0: as many as loops.
  explicit Runtime(std::size_t threads = 0, std::size_t workers = 0);
  /// One loop on the program's own executor, which the program runs; it may be run by several threads.
  explicit Runtime(asio::any_io_executor executor);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const std::vector<spi::Loop*>& loops() const noexcept;
  /// Round robin over the loops.
  spi::Loop& next_loop() noexcept;
  /// Where handlers run that were configured with `"handlers": "pool"`. Its threads start at the first use.
  asio::any_io_executor pool();

  /// Ends the threads. False if code that runs on one did not return within `limit`: that thread is left behind, with
  /// all it uses.
  bool stop(std::chrono::milliseconds limit);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ferry
