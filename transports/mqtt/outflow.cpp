#include "transports/mqtt/outflow.hpp"

namespace ferry::mqtt {
namespace {

constexpr unsigned ids = 65535;   // 1 to 65535

}  // namespace

Outflow::Entry& Outflow::add_message(std::uint8_t qos, Ticket ticket) {
  ++messages_;
  return add(State::published, qos, ticket);
}

Outflow::Entry& Outflow::add_request(Ticket ticket) { return add(State::waits, 0, ticket); }

Outflow::Entry& Outflow::add(State state, std::uint8_t qos, Ticket ticket) {
  entries_.push_back({next_id_, state, qos, 0, ticket, {}});
  next_id_ = next_id_ == ids ? std::uint16_t{1} : static_cast<std::uint16_t>(next_id_ + 1);
  return entries_.back();
}

Outflow::Step Outflow::answer(PacketType type, std::uint16_t id, std::uint8_t& code, Ticket& ticket) {
  if (entries_.empty()) return Step::unknown;
  const std::size_t at = (id + ids - entries_.front().id) % ids;
  if (at >= entries_.size()) return Step::unknown;
  Entry& entry = entries_[at];
  const bool failed = code >= 0x80;
  switch (type) {
    case PacketType::puback:
      if (entry.state != State::published || entry.qos != 1) return Step::unknown;
      break;
    case PacketType::pubrec:
      // Again after PUBREL: the server had not seen that.
      if (entry.state != State::published && entry.state != State::released) return Step::unknown;
      if (entry.qos != 2) return Step::unknown;
      if (failed) break;
      entry.state = State::released;
      entry.code = code;
      entry.packet = {};
      return Step::release;
    case PacketType::pubcomp:
      if (entry.state != State::released) return Step::unknown;
      code = entry.code;
      break;
    default:
      if (entry.state != State::waits) return Step::unknown;
  }
  if (entry.state != State::waits) --messages_;
  ticket = entry.ticket;
  entry.state = State::free;
  entry.packet = {};
  trim();
  return Step::done;
}

void Outflow::forget(std::uint32_t kind) {
  for (Entry& entry : entries_) {
    if (entry.state != State::published || entry.qos != 1 || entry.ticket.kind != kind) continue;
    --messages_;
    entry.state = State::free;
    entry.packet = {};
  }
  trim();
}

void Outflow::trim() {
  while (!entries_.empty() && entries_.front().state == State::free) entries_.pop_front();
}

}  // namespace ferry::mqtt
