#pragma once
// Packets that wait for an answer by their id: messages of QoS 1 and 2 on their way to the server, and subscriptions. A
// session's half: decisions without I/O.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "transports/mqtt/packet.hpp"

namespace ferry::mqtt {

/// What a packet is for: handed back with its outcome.
struct Ticket {
  std::uint32_t kind = 0;     ///< the user's
  std::uint64_t token = 0;
};

/// Ids are given out one after the other, so that an id leads to its entry by a subtraction. Entries leave in order.
class Outflow {
 public:
  enum class State : std::uint8_t { free, waits, published, released };
  struct Entry {
    std::uint16_t id = 0;
    State state = State::free;   // published: PUBACK or PUBREC is to come; released: PUBCOMP; waits: another answer
    std::uint8_t qos = 0;
    std::uint8_t code = 0;       // of a PUBREC that accepted it
    Ticket ticket;
    std::string packet;          // of a session that lasts: to send it again
  };

  /// Messages under way at once; no limit for subscriptions. Holds for those to come.
  void set_limit(std::size_t messages) noexcept { limit_ = messages; }
  bool has_slot() const noexcept { return messages_ < limit_ && entries_.size() < most_entries; }
  bool has_id() const noexcept { return entries_.size() < most_entries; }
  std::size_t messages() const noexcept { return messages_; }
  bool empty() const noexcept { return entries_.empty(); }

  /// Only while there is a slot (of a message) or an id. The reference is good until the next call.
  Entry& add_message(std::uint8_t qos, Ticket ticket);
  Entry& add_request(Ticket ticket);

  enum class Step : std::uint8_t { unknown, done, release };
  /// An answer has come. `done`: the entry is over, `ticket` is its own, and `code` what became of it (with QoS 2 PUBREC says
  /// that). `release`: PUBREL is to be sent.
  Step answer(PacketType type, std::uint16_t id, std::uint8_t& code, Ticket& ticket);

  /// Everything that is under way goes; `each` hears of it.
  template <class F>
  void drop_all(F each) {
    std::deque<Entry> all;
    all.swap(entries_);
    messages_ = 0;
    for (const Entry& entry : all) {
      if (entry.state != State::free) each(entry);
    }
  }
  /// What was published with QoS 1 by this kind of ticket is not sent again: nobody waits for it any more. (With QoS 2 the server
  /// itself sees to it that it is not handed on twice.)
  void forget(std::uint32_t kind);
  /// A session goes on over a new connection: `again` sends what the server may not have had (a packet, or PUBREL for an
  /// entry that is released). Tickets are of the past, and subscriptions are made anew.
  template <class F>
  void resume(F again) {
    for (Entry& entry : entries_) {
      if (entry.state == State::waits) entry.state = State::free;
      if (entry.state == State::free) continue;
      entry.ticket = {};
      if (entry.state == State::published) mark_duplicate(entry.packet);
      again(entry);
    }
    trim();
  }

 private:
  static constexpr std::size_t most_entries = 65534;

  Entry& add(State state, std::uint8_t qos, Ticket ticket);
  void trim();

  std::deque<Entry> entries_;
  std::uint16_t next_id_ = 1;
  std::size_t messages_ = 0;
  std::size_t limit_ = 65535;
};

}  // namespace ferry::mqtt
