#pragma once
// What the calls of one service share.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/server_context.h>

#include "ferry/spi/transport.hpp"
#include "transports/common/mailbox.hpp"
#include "transports/grpc/options.hpp"

namespace ferry::grpc {

/// A call that lasts: the service tells it when it takes no more.
class LastingCall {
 public:
  /// Ends soon. On any thread, before gRPC is done with it.
  virtual void stop() = 0;

  /// Its place in the service's list, which alone touches it.
  struct Place {
    LastingCall* previous = nullptr;
    LastingCall* next = nullptr;
    bool taken = false;
  } place;

 protected:
  ~LastingCall() = default;
};

/// Something that its lane's loop lets read.
class Reads {
 public:
  /// On the loop: on, or for the first time.
  virtual void read_on() = 0;

 protected:
  ~Reads() = default;
};

/// Runs `done` on the loop once the last who holds it has let go.
class Barrier {
 public:
  Barrier(const spi::Loop& loop, std::function<void()> done) : loop_(loop), done_(std::move(done)) {}
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;
  ~Barrier() { loop_.post(std::move(done_)); }

 private:
  const spi::Loop& loop_;
  std::function<void()> done_;
};

/// What comes from gRPC's threads for one of the service's loops.
struct Arrival {
  spi::DeliveryPtr message;               // for the sink, if it is one
  std::shared_ptr<Reads> reads_on;        // may read again
  std::shared_ptr<Barrier> barrier;       // all before it has been handed over
};

/// The way to one loop. Bounded by the calls that are open: each waits with its next message until the last was taken.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  static std::shared_ptr<Lane> make(const spi::Loop& loop, spi::ServerSink& sink);

  const spi::Loop& loop() const noexcept { return loop_; }
  /// False if nothing is taken any more. A barrier is the last that is.
  bool put(Arrival arrival);
  bool paused() const noexcept { return paused_.load(std::memory_order_acquire); }
  void set_paused(bool paused);
  void close() { mailbox_.close(); }   ///< on the loop

 private:
  Lane(const spi::Loop& loop, spi::ServerSink& sink);
  void take(Arrival& arrival);

  const spi::Loop& loop_;
  spi::ServerSink& sink_;
  transports::Mailbox<Arrival> mailbox_;
  std::atomic<bool> paused_{false};
};

/// Lifetime: shared by the server and by every call, which may outlive it in a handler's hands.
/// Threads:  any.
class Service {
 public:
  Service(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings);

  const spi::Serializer& serializer() const noexcept { return *serializer_; }
  const ServerSettings& settings() const noexcept { return settings_; }
  const std::vector<std::shared_ptr<Lane>>& lanes() const noexcept { return lanes_; }
  /// All calls of one peer are on one loop. It lives as long as this.
  Lane& lane_of(const ::grpc::ServerContextBase& call) const;

  bool draining() const noexcept { return draining_.load(std::memory_order_acquire); }
  /// One more call is open, until `leave`. False if there are too many, or none are taken any more.
  bool enter();
  void leave() { open_calls_.fetch_sub(1, std::memory_order_relaxed); }
  /// The same of one that lasts. Removing what was not added does nothing.
  bool add(LastingCall& call);
  void remove(LastingCall& call);
  /// No call is taken from now on; those that last are stopped.
  void drain();
  /// For `on_error`, soon.
  void report(Failure failure);
  void silence() { silent_.store(true, std::memory_order_release); }

 private:
  spi::ServerSink& sink_;
  const spi::Serializer* const serializer_;
  const spi::Loop& main_loop_;
  const ServerSettings settings_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::atomic<bool> draining_{false};
  std::atomic<std::size_t> open_calls_{0};
  const std::shared_ptr<std::atomic<bool>> silence_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool>& silent_ = *silence_;

  std::mutex mutex_;
  LastingCall* lasting_ = nullptr;   // the first
};

}  // namespace ferry::grpc
