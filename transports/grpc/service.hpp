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

/// Something gRPC has open and waits for when it shuts down.
class OpenCall {
 public:
  /// Ends it soon, whatever it does. On any thread, before gRPC is done with it.
  virtual void kill() = 0;
  /// The service takes no more: stop reading. The same.
  virtual void stop_reading() = 0;
  /// On its lane's loop: reads on, or for the first time.
  virtual void read_on() = 0;

  /// Its place in the service's list, which alone touches it.
  struct Place {
    OpenCall* previous = nullptr;
    OpenCall* next = nullptr;
    bool taken = false;
  } place;

 protected:
  ~OpenCall() = default;
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
  std::shared_ptr<OpenCall> reads_on;     // may read again
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
  /// All calls of one peer are on one loop.
  const std::shared_ptr<Lane>& lane_of(const ::grpc::ServerContextBase& call) const;

  bool draining() const noexcept { return draining_.load(std::memory_order_acquire); }
  /// False if there are too many, or none are taken any more.
  bool add(OpenCall& call);
  void remove(OpenCall& call);
  /// No call is added from now on; those that are there read no more.
  void drain();
  void kill_all();
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
  const std::shared_ptr<std::atomic<bool>> silence_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool>& silent_ = *silence_;

  std::mutex mutex_;
  OpenCall* open_ = nullptr;   // the first
  std::size_t open_calls_ = 0;
};

}  // namespace ferry::grpc
