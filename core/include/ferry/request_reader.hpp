#pragma once

#include <optional>
#include <string>
#include <utility>

#include "ferry/detail/codec.hpp"
#include "ferry/detail/request_stream.hpp"
#include "ferry/task.hpp"

namespace ferry {

/// Where a handler reads a stream of requests, on transports that carry such (`memory`, `grpc`).
///
/// Each `next` asks for one message: a handler that is slower than its caller holds the caller back, and nothing grows.
/// What was not read when the handler ends is dropped.
///
/// Lifetime: owned by the handler's frame; ends with it.
/// Threads:  one caller at a time, on the handler's executor.
template <class T>
class RequestReader {
 public:
  explicit RequestReader(detail::RequestStreamState& state) : state_(&state) {}
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// The next value, or nothing at the end of the stream. Throws `CancelledError` when the caller has cancelled or is gone,
  /// and `SerializationError` for a message that is no T.
  /// Cancel: an Asio cancellation ends the wait with `CancelledError`; the message is then the next `next`'s.
  task<std::optional<T>> next() {
    std::optional<std::string> message = co_await state_->next();
    if (!message) co_return std::nullopt;
    co_return detail::decode_received([&] { return detail::decode<T>(state_->serializer(), *message); });
  }

 private:
  detail::RequestStreamState* state_;
};

}  // namespace ferry
