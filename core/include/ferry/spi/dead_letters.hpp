#pragma once
// What a service gave up, where its broker can show it again. Optional for a transport: `Transport::make_dead_letters`.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/payload.hpp"

namespace ferry {

/// A message that a service gave up.
struct DeadLetter {
  std::string id;               ///< names it among the dead letters of its service
  std::string pattern;          ///< its route; empty if the message says none
  std::string origin;           ///< where it was, and goes when it is replayed: a stream, a queue, a subject
  std::string cause;            ///< empty if that was not noted
  std::string service;          ///< who gave it up, as the broker knows it: a group, a queue; empty if that was not noted
  std::uint64_t attempts = 0;   ///< 0: not noted
  std::chrono::milliseconds time{};   ///< since 1970, when it was given up; 0: not noted
  Payload payload;              ///< as it was; of a message that cannot be read: empty
  Headers headers;              ///< as they were
};

namespace spi {

/// The dead letters of one service. Called by core on the environment's loop only, one operation at a time: the next when
/// the one before was answered. Answers come on the loop, once each, never inside the call; none after `lost` or `close`.
class DeadLetterStore {
 public:
  using Done = std::function<void(const Failure*)>;
  using Found = std::function<void(Result<std::vector<DeadLetter>>)>;
  using Replayed = std::function<void(Result<bool>)>;

  virtual ~DeadLetterStore() = default;

  /// One attempt to connect. `lost` is called if the connection goes afterwards.
  virtual void open(Done done, std::function<void(const Failure&)> lost) = 0;
  /// Those that have been there the longest, at most `limit`. They stay where they are.
  virtual void list(std::size_t limit, Found found) = 0;
  /// That one, or none.
  virtual void find(std::string id, Found found) = 0;
  /// Puts it back where it came from, and, once the broker has confirmed that, removes it from the dead letters: it is never
  /// lost, and may be there twice if the connection goes in between. False: there is none of that id.
  virtual void replay(std::string id, Replayed replayed) = 0;
  virtual void close(std::chrono::milliseconds limit, std::function<void()> done) = 0;
};

}  // namespace spi
}  // namespace ferry
