#pragma once

#include <memory>
#include <string>
#include <utility>

#include "ferry/detail/codec.hpp"
#include "ferry/detail/reply_stream.hpp"
#include "ferry/task.hpp"

namespace ferry {

/// Where a handler writes a stream of replies.
///
/// Lifetime: owned by the handler's frame; ends with it. The end of the handler is the end of the stream.
/// Threads:  one caller at a time, on the handler's executor.
/// Close:    when the caller cancels or its connection goes, `write` throws `CancelledError`.
template <class T>
class ReplyWriter {
 public:
  explicit ReplyWriter(detail::ReplyStreamState& state) : state_(&state) {}
  ReplyWriter(const ReplyWriter&) = delete;
  ReplyWriter& operator=(const ReplyWriter&) = delete;

  /// Sends one value. Waits while the peer does not keep up: nothing grows.
  task<void> write(const T& value) {
    std::string payload;
    detail::encode(state_->serializer(), value, payload);
    return state_->write(std::move(payload));
  }

 private:
  detail::ReplyStreamState* state_;
};

}  // namespace ferry
