#pragma once
// nats.c as it is fastest: a synchronous subscription on an event loop of our own, one gathered write a turn, and spent
// messages destroyed many at once, since each destruction wakes a thread of the library's.

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nats/nats.h>

namespace bench {

inline void check(natsStatus status) {
  if (status != NATS_OK) throw std::runtime_error(natsStatus_GetText(status));
}

template <class T, void (*destroy)(T*)>
struct NatsFree {
  void operator()(T* object) const { destroy(object); }
};
using NatsOptions = std::unique_ptr<natsOptions, NatsFree<natsOptions, natsOptions_Destroy>>;
using NatsConnection = std::unique_ptr<natsConnection, NatsFree<natsConnection, natsConnection_Destroy>>;
using NatsSubscription = std::unique_ptr<natsSubscription, NatsFree<natsSubscription, natsSubscription_Destroy>>;

inline NatsOptions nats_options(std::uint16_t port) {
  natsOptions* made = nullptr;
  check(natsOptions_Create(&made));
  NatsOptions options(made);
  check(natsOptions_SetURL(made, ("nats://127.0.0.1:" + std::to_string(port)).c_str()));
  check(natsOptions_SetAllowReconnect(made, false));
  return options;
}

inline std::string_view body_of(natsMsg* message) {
  return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}

class NatsLoop {
 public:
  NatsLoop(std::uint16_t port, const std::string& subject) : epoll_(epoll_create1(0)), wake_(eventfd(0, EFD_NONBLOCK)) {
    watch(EPOLL_CTL_ADD, wake_, EPOLLIN);
    const NatsOptions options = nats_options(port);
    check(natsOptions_SetSendAsap(options.get(), true));
    check(natsOptions_SetEventLoop(options.get(), this, attach, set_read, set_write, [](void*) { return NATS_OK; }));
    natsConnection* connection = nullptr;
    check(natsConnection_Connect(&connection, options.get()));
    connection_.reset(connection);
    natsSubscription* subscription = nullptr;
    check(natsConnection_SubscribeSync(&subscription, connection, subject.c_str()));
    subscription_.reset(subscription);
    check(natsSubscription_SetPendingLimits(subscription, -1, -1));
    write();
  }
  ~NatsLoop() {
    free_spent();
    subscription_.reset();
    connection_.reset();
    close(epoll_);
    close(wake_);
  }

  void publish(const char* subject, const char* reply, std::string_view body) {
    const int size = static_cast<int>(body.size());
    check(reply != nullptr ? natsConnection_PublishRequest(connection_.get(), subject, reply, body.data(), size)
                           : natsConnection_Publish(connection_.get(), subject, body.data(), size));
  }
  /// The system has taken everything.
  bool written() const { return !wants_write_; }

  /// One turn: waits, lets `take` have every message that came, writes what was published.
  template <class F>
  void turn(F take) {
    epoll_event events[2];
    const int count = epoll_wait(epoll_, events, 2, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wake_) {
        std::uint64_t times = 0;
        static_cast<void>(!::read(wake_, &times, sizeof times));
      } else if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        natsConnection_ProcessReadEvent(connection_.get());
      }
    }
    if (natsConnection_IsClosed(connection_.get())) throw std::runtime_error("the connection was closed");
    int pending = 0;
    check(natsSubscription_GetPending(subscription_.get(), &pending, nullptr));
    for (; pending > 0; --pending) {
      natsMsg* message = nullptr;
      check(natsSubscription_NextMsg(&message, subscription_.get(), 0));
      take(message);
      spent_.push_back(message);
      if (spent_.size() == 64) free_spent();
    }
    write();
  }

  /// What is published leaves at the next turn at the latest; this is for what no turn follows by itself.
  void write() {
    // Never with nothing to write: it takes that for the end of the connection.
    if (wants_write_) natsConnection_ProcessWriteEvent(connection_.get());
    const bool armed = wants_write_;
    if (armed != armed_) watch(EPOLL_CTL_MOD, socket_, armed ? EPOLLIN | EPOLLOUT : EPOLLIN);
    armed_ = armed;
  }

 private:
  void watch(int operation, int descriptor, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = descriptor;
    epoll_ctl(epoll_, operation, descriptor, &event);
  }
  void free_spent() {
    for (natsMsg* message : spent_) natsMsg_Destroy(message);
    spent_.clear();
  }

  static natsStatus attach(void** user, void* loop, natsConnection*, natsSock socket) {
    auto* self = static_cast<NatsLoop*>(loop);
    *user = self;
    self->socket_ = static_cast<int>(socket);
    self->watch(EPOLL_CTL_ADD, self->socket_, EPOLLIN);
    return NATS_OK;
  }
  static natsStatus set_read(void*, bool) { return NATS_OK; }
  /// Also from the library's own thread, which sends pings.
  static natsStatus set_write(void* user, bool wanted) {
    auto* self = static_cast<NatsLoop*>(user);
    if (!self->wants_write_.exchange(wanted) && wanted && gettid() != self->thread_) {
      const std::uint64_t once = 1;
      static_cast<void>(!::write(self->wake_, &once, sizeof once));
    }
    return NATS_OK;
  }

  const pid_t thread_ = gettid();
  const int epoll_;
  const int wake_;
  int socket_ = -1;
  std::atomic<bool> wants_write_{false};
  bool armed_ = false;
  NatsConnection connection_;
  NatsSubscription subscription_;
  std::vector<natsMsg*> spent_;
};

}  // namespace bench
