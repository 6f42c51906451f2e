#pragma once

#include <functional>
#include <memory>

#include <grpcpp/channel.h>

#include "transports/grpc/options.hpp"

namespace ferry::grpc {

std::shared_ptr<::grpc::Channel> make_channel(const ClientSettings& settings);

/// Tells when the state of a channel changes: gRPC tells only a thread that waits for it, and this is the one for all
/// clients of the process, as long as there are some.
/// Threads: any.
class StateWatch {
 public:
  static std::shared_ptr<StateWatch> instance();
  ~StateWatch();

  /// Calls `changed` once, on the watch's thread: when the state is not `seen` any more, when the channel is gone, or at
  /// the deadline.
  void wait(::grpc::Channel& channel, grpc_connectivity_state seen, std::chrono::system_clock::time_point deadline,
            std::function<void()> changed);

 private:
  StateWatch();
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace ferry::grpc
