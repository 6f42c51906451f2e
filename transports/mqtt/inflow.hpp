#pragma once
// Messages of QoS 1 and 2 that came and are not acknowledged yet: a session's other half. Decisions without I/O.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "transports/mqtt/packet.hpp"

namespace ferry::mqtt {

/// A message on its way through a service. Shared by the window and by whoever handles it; on the loop only.
struct Arrival {
  std::uint16_t id = 0;
  std::uint8_t qos = 0;
  bool settled = false;      // handled: may be acknowledged when those before it are
  bool answered = true;      // a request whose reply could not be sent has to run again
  unsigned attempts = 0;     // at its handler
  std::uint64_t digest = 0;  // of what it says, to know it again
};
using ArrivalPtr = std::shared_ptr<Arrival>;

/// Acknowledges in the order in which messages came (MQTT-4.6.0-2), each when its handler is done.
class Inflow {
 public:
  enum class Verdict : std::uint8_t {
    fresh,      // hand it on
    known,      // it is being handled already, or was: nothing to do but to acknowledge it in its turn
    received,   // QoS 2, acknowledged before: say so once more
  };
  struct Taken {
    Verdict verdict = Verdict::fresh;
    ArrivalPtr arrival = {};
  };

  Taken take(const Publish& message);
  std::size_t unacknowledged() const noexcept { return window_.size(); }

  /// Calls `acknowledge(type, id)`, PUBACK or PUBREC, for each that is settled and has none before it that is not.
  template <class F>
  void advance(F acknowledge) {
    while (!window_.empty() && window_.front()->settled) {
      const ArrivalPtr done = window_.front();
      window_.pop_front();
      if (done->qos == 2) received_.insert(done->id);
      acknowledge(done->qos == 2 ? PacketType::pubrec : PacketType::puback, done->id);
    }
  }
  /// PUBREL: the server will not send it again. To be answered with PUBCOMP in any case.
  void release(std::uint16_t id) { received_.erase(id); }

  /// The connection is gone. What is under way is known again if the server sends it once more and the session goes on.
  void disconnected();
  /// Before anything comes on a new connection.
  void connected(bool session_present);

 private:
  std::deque<ArrivalPtr> window_;
  std::unordered_map<std::uint16_t, ArrivalPtr> before_;   // of the connection that was lost
  std::unordered_set<std::uint16_t> received_;             // QoS 2: PUBREC sent, PUBREL to come
};

}  // namespace ferry::mqtt
