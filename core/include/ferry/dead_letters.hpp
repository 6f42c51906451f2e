#pragma once
// Dead letters, looked at and replayed: what `ferry dlq` does, for programs.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/config.hpp"
#include "ferry/spi/dead_letters.hpp"

namespace ferry {

/// The dead letters that one service of a config has left with its own broker. What a service with `deadLetter` in its config
/// emitted elsewhere is not among them.
///
/// Lifetime: connects at the first call, disconnects with the object.
/// Threads:  one caller at a time, and not on a loop: every call blocks, for `limit` at most.
/// Errors:   `ConnectionError`, `TimeoutError`; after one of them a new object is needed. What the broker refused is an `Error`.
class DeadLetters {
 public:
  /// Throws `ConfigError`: the service is not there or cannot run, or its transport keeps no dead letters that can be looked at.
  DeadLetters(const Config& config, std::string_view service, std::chrono::milliseconds limit = std::chrono::seconds(30));
  ~DeadLetters();
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  /// Those that have been there the longest first.
  std::vector<DeadLetter> list(std::size_t most = 100);
  std::optional<DeadLetter> find(std::string id);
  /// Back to where it came from, and then, when the broker has it there, away from the dead letters: never lost, perhaps twice
  /// there if the connection goes in between. False: there is none of that id.
  bool replay(std::string id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferry
