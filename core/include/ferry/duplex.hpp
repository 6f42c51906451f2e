#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ferry/call.hpp"
#include "ferry/detail/client_core.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/request_writes.hpp"
#include "ferry/stream.hpp"

namespace ferry {
namespace detail {

template <class R>
class DuplexRequest final : public StreamRequest<R> {
 public:
  DuplexRequest(Message&& m, std::shared_ptr<ClientCore> core)
      : StreamRequest<R>(std::move(m), core, Operation::Kind::duplex), writes(std::move(core)) {}

  void on_writable() override { writes.go_on(*this); }
  void on_done(Failure* failure, bool inside_call) override {
    StreamRequest<R>::on_done(failure, inside_call);
    spi::Loop& loop = this->core()->loop();
    if (loop.in_loop()) return writes.end();
    loop.post([self = OperationPtr(this), this] { writes.end(); });   // it could not even begin
  }

  RequestWrites writes;
};

/// The last value of a stream, which must have one.
template <class R>
task<R> last_value(std::shared_ptr<DuplexRequest<R>> request, task<bool> end) {
  co_await std::move(end);
  std::optional<R> last;
  const std::shared_ptr<StreamRequest<R>> stream = request;
  while (std::optional<R> value = co_await next_value<R>(stream)) last = std::move(value);
  if (!last) {
    throw_failure(Failure(errc::no_reply, "pattern " + request->message.pattern.route() +
                                              ": the handler completed without a value", Fate::confirmed));
  }
  co_return std::move(*last);
}

}  // namespace detail

/// A request that is a stream of messages, and the replies to it: `R` is what comes, `T` what goes. On transports that carry
/// such streams (`Capabilities::request_streams`); elsewhere `next` and `result` throw `errc::unsupported`. Cold: it leaves with
/// the first `write` or `next`.
///
/// Its timeout limits the wait for the next reply and for the next message to be taken, not the whole.
///
/// Lifetime: letting go of it cancels the request.
/// Threads:  one writer and one reader at a time, which may be at work together.
template <class R, class T>
class Duplex {
 public:
  Duplex(detail::Message&& message, std::shared_ptr<detail::ClientCore> core)
      : request_(detail::OperationPtr(new detail::DuplexRequest<R>(std::move(message), std::move(core)))) {}
  Duplex(Duplex&&) noexcept = default;
  Duplex& operator=(Duplex&& other) noexcept {
    cancel();
    request_ = std::move(other.request_);
    return *this;
  }
  ~Duplex() { cancel(); }

  /// Sends one value; waits while the peer does not keep up. False once the request has ended, whose outcome `next` and
  /// `result` tell. Throws `SerializationError` at once for a value that cannot be encoded.
  Call<bool> write(const T& value) {
    std::string payload;
    detail::encode(get().core()->serializer_for(get().message.pattern), value, payload);
    return hand_over(std::move(payload));
  }
  /// There are no more. Replies may still come.
  Call<bool> end() { return hand_over(std::nullopt); }
  /// The next reply, or nothing at the end. Throws what ended the request, after every value that came before.
  Call<std::optional<R>> next() { return {detail::next_value<R>(shared()), get().core()->loop()}; }
  /// `end`, and the last reply: of a service that answers a stream with one value.
  Call<R> result() {
    task<bool> ended = write_task(std::nullopt);
    return {detail::last_value<R>(shared(), std::move(ended)), get().core()->loop()};
  }

 private:
  detail::DuplexRequest<R>& get() const { return static_cast<detail::DuplexRequest<R>&>(*request_.get()); }
  std::shared_ptr<detail::DuplexRequest<R>> shared() const {
    return std::shared_ptr<detail::DuplexRequest<R>>(&get(), [keep = request_](auto*) {});
  }
  task<bool> write_task(std::optional<std::string> payload) {
    detail::DuplexRequest<R>& request = get();
    return detail::RequestWrites::write(request_, request.writes, [&request] { request.start(); }, std::move(payload));
  }
  Call<bool> hand_over(std::optional<std::string> payload) {
    return {write_task(std::move(payload)), get().core()->loop()};
  }
  void cancel() noexcept {
    if (request_) get().abandon();
  }

  detail::OperationPtr request_;
};

}  // namespace ferry
