#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "ferry/error.hpp"

namespace ferry::grpc {

/// What came of a stream of requests and its handler has not read.
/// Threads: one at a time.
class Inbox {
 public:
  using Next = Result<std::optional<std::string>>;   // nothing: the end

  void put(std::string payload) {
    waiting_bytes_ += payload.size();
    waiting_.push_back(std::move(payload));
  }
  void end() { ended_ = true; }
  void fail(Failure why) {
    if (!ended_) failure_ = std::move(why);
    ended_ = true;
  }
  bool ended() const noexcept { return ended_; }
  /// False at the end, and while the handler should read first: then gRPC, and so the caller, waits.
  bool wants_more() const noexcept { return !ended_ && waiting_.size() < most_messages && waiting_bytes_ < most_bytes; }

  /// What the handler gets; nothing while there is nothing.
  std::optional<Next> take() {
    if (!waiting_.empty()) {
      std::optional<std::string> payload(std::move(waiting_.front()));
      waiting_.pop_front();
      waiting_bytes_ -= payload->size();
      return Next(std::move(payload));
    }
    if (!ended_) return std::nullopt;
    return failure_ ? Next(*failure_) : Next(std::optional<std::string>());
  }

 private:
  static constexpr std::size_t most_messages = 16;
  static constexpr std::size_t most_bytes = std::size_t{64} * 1024;

  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool ended_ = false;
  std::optional<Failure> failure_;
};

}  // namespace ferry::grpc
