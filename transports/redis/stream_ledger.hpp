#pragma once
// Which entries of streams a service has taken, and what becomes of them: decisions, with no connection and no clock.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/spi/delivery.hpp"

namespace ferry::redis {

/// An entry by its place: `stream` is the service's number of the stream.
struct EntryPlace {
  std::uint32_t stream = 0;
  std::string id;
  friend bool operator==(const EntryPlace&, const EntryPlace&) = default;
};

class StreamLedger {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  struct Limits {
    std::int64_t max_deliver = 0;            // 0: no limit
    std::chrono::milliseconds retry_delay{};
    std::size_t max_waiting = 10000;         // for their next attempt; more are left to whoever claims them later
  };
  /// What became of a request's answer.
  enum class Answer : std::uint8_t {
    none,   ///< it was an event
    sent,   ///< handed to the connection
    lost,   ///< there was none
  };
  enum class Verdict : std::uint8_t {
    unknown,       ///< nothing of ours, or settled before
    acknowledge,   ///< tell the server; it is kept until `acknowledged`
    bury,          ///< to the dead letters; it is kept until `acknowledged`, or `retry` if that fails
    wait,          ///< until it is due again
    leave,         ///< it stays pending with the server, and nobody here keeps it fresh
  };

  explicit StreamLedger(Limits limits) : limits_(limits) {}

  /// An entry was delivered, for the so manieth time. False: it is being worked on here.
  bool take(const EntryPlace& place, std::int64_t attempts, Time now);
  /// A handler is done with it. One whose answer got lost is handled again.
  Verdict settle(const EntryPlace& place, spi::Settlement outcome, Answer answer, Time now);
  /// It could not be buried: once more later.
  void retry(const EntryPlace& place, Time now);
  void acknowledged(const EntryPlace& place);
  /// Somebody else has it, or it is gone: what was to be claimed is not.
  void forget(const EntryPlace& place);

  /// What waits no longer: to be claimed, or buried if its attempts are used up. It is not due again until `take`, or until
  /// `defer` says when.
  std::vector<EntryPlace> due(Time now);
  void defer(const EntryPlace& place, Time when);
  std::optional<Time> next_due() const;
  bool spent(const EntryPlace& place) const;
  std::int64_t attempts(const EntryPlace& place) const;
  bool spent(std::int64_t attempts) const noexcept { return limits_.max_deliver != 0 && attempts >= limits_.max_deliver; }

  /// What others would soon take for abandoned: untouched for `age`. It counts as touched now.
  std::vector<EntryPlace> stale(Time now, std::chrono::milliseconds age);
  /// Events that were settled on a connection that is lost: to be told again. A request's answer may have gone with it:
  /// it is due at once, like the rest that waits.
  std::vector<EntryPlace> reconnected(Time now);

  bool has(const EntryPlace& place) const { return find(place) != nullptr; }
  std::size_t running() const noexcept { return running_; }
  /// Nothing of ours is pending with the server, but for what it is about to be told of.
  bool settled_only() const;

 private:
  enum class State : std::uint8_t { running, waiting, claiming, settled, burying };
  struct Entry {
    State state = State::running;
    bool answered = false;                             // a request
    std::int64_t attempts = 1;
    Time touched;
    std::multimap<Time, EntryPlace>::iterator due{};   // while waiting
  };
  struct Hash {
    std::size_t operator()(const EntryPlace& place) const noexcept {
      return std::hash<std::string_view>()(place.id) * 31 + place.stream;
    }
  };

  const Entry* find(const EntryPlace& place) const;
  Entry* find(const EntryPlace& place) { return const_cast<Entry*>(std::as_const(*this).find(place)); }
  void wait(const EntryPlace& place, Entry& entry, Time when);
  void leave_state(Entry& entry);

  const Limits limits_;
  std::unordered_map<EntryPlace, Entry, Hash> entries_;
  std::multimap<Time, EntryPlace> due_;
  std::size_t running_ = 0;
  bool left_some_ = false;
};

}  // namespace ferry::redis
