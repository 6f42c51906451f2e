#pragma once
// Where answers come to: reply subjects of one connection.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nats/nats.h>

#include "ferry/error.hpp"
#include "transports/nats/connection.hpp"

namespace ferry::nats {

/// Reply subjects "<prefix>.<unique>.<number>.*", each with a subscription of its own, which is used again for the next
/// request. One wildcard subscription for all would do as well, but for one thing: the library passes on a server's "there
/// are no responders" without the message, so that only its subscription tells which request it was for.
///
/// Threads: the connection's loop.
class Inbox {
 public:
  /// A place an answer may come to. Its owner notes in it whatever it needs.
  class Slot {
   public:
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { natsSubscription_Destroy(subscription_); }

    const std::string& subject() const noexcept { return subject_; }   ///< ends in a dot: one more token is to follow

    enum class Use : std::uint8_t { request, event, call };
    Use use = Use::request;
    std::string id;                                    ///< of a request
    std::string route;                                 ///< of a request
    std::uint64_t token = 0;                           ///< of an event
    std::function<void(natsMsg*)> answered;            ///< of a call: null if there are no responders

   private:
    friend class Inbox;
    Slot() = default;
    natsSubscription* subscription_ = nullptr;
    std::string subject_;
    Slot* next_ = nullptr;      // in use, and taken later
    Slot* previous_ = nullptr;
    std::uint64_t turn_ = 0;    // how often it was used
  };

  /// What came: null if there are no responders. It may take and release slots.
  using Take = std::function<void(Slot&, natsMsg*)>;

  Inbox(std::shared_ptr<Connection> connection, const std::string& prefix);

  /// Null, with `failure` set, if there can be none.
  Slot* take(Failure& failure);
  /// What still comes for it would be for nobody.
  void release(Slot& slot);
  /// The same, when something may still come: the subject will not be used again.
  void retire(Slot& slot);
  Slot* find(std::string_view id) noexcept;
  const std::string& prefix() const noexcept { return prefix_; }   ///< unique for each inbox

  /// Takes what the last read of the connection brought.
  void drain(const Take& take);

 private:
  void put_back(Slot& slot);
  void clear(Slot& slot);
  bool subscribe(Slot& slot, Failure& failure);
  void drain(Slot& slot, int messages, const Take& take);

  const std::shared_ptr<Connection> connection_;
  std::string prefix_;
  std::uint64_t number_ = 0;
  std::vector<std::unique_ptr<Slot>> all_;
  Slot* oldest_ = nullptr;     // of those in use
  Slot* newest_ = nullptr;
  std::vector<Slot*> free_;
  std::vector<std::pair<Slot*, int>> ready_;   // those with messages, and how many; reused
};

}  // namespace ferry::nats
