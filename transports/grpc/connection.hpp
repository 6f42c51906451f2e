#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "transports/grpc/channel.hpp"
#include "transports/grpc/client_call.hpp"

namespace ferry::grpc {

/// A channel from one attempt to connect to its loss, as core wants to hear of it.
///
/// gRPC leaves a connection for good reasons too: a service that shuts down finishes its calls first, one that limits the
/// age of connections is simply connected to again. So a connection counts as lost once it is gone and no call is left on it.
///
/// Threads: the client's loop.
class Connection {
 public:
  struct Events {
    std::function<void()> connected;
    std::function<void(Failure)> lost;   // or the attempt failed
    std::function<bool()> busy;          // calls are under way
  };
  Connection(const ClientSettings& settings, std::shared_ptr<Inlet> inlet, Events events);
  ~Connection() { drop(); }

  void connect();
  /// Without a word. Calls that are under way keep what they need.
  void drop();
  /// The last call has ended: a connection that was left behind is now lost.
  void idle();
  /// Null while no call can be made.
  Stub* stub() noexcept;
  const std::shared_ptr<::grpc::Channel>& channel() const noexcept { return channel_; }

 private:
  enum class Phase { off, connecting, up, leaving };

  void watch();
  void changed();
  void attempt_failed(const std::string& why);
  void ask_why();
  void lose();

  const ClientSettings& settings_;
  const std::shared_ptr<Inlet> inlet_;
  const Events events_;
  const std::shared_ptr<StateWatch> watch_ = StateWatch::instance();
  std::shared_ptr<::grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
  Phase phase_ = Phase::off;
  grpc_connectivity_state seen_ = GRPC_CHANNEL_IDLE;
  std::chrono::system_clock::time_point give_up_at_;
  std::shared_ptr<bool> attempt_;   // news of an earlier one is no news
};

}  // namespace ferry::grpc
