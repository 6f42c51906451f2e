#pragma once
// What the two modes differ in: how the messages of a call are read and written. No gRPC here, and no threads.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/grpc/error.hpp"

namespace ferry::grpc {

/// A request or an event as a service read it: views into the body, or into `text`.
struct Incoming {
  spi::RequestView view;
  std::string text;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  bool metadata_headers = false;          // the call's metadata are its headers
  std::chrono::milliseconds timeout{0};   // 0: not told
  bool stream = false;                    // more messages follow, each for `ServerMethod::read_next`
};

/// What a service sends for one packet of a reply: a message, the end, or both.
struct Answer {
  bool has_message = false;
  std::string head;      // of the message; the payload follows it
  bool last = false;
  CallStatus status;     // of the last
  std::vector<std::pair<std::string, std::string>> trailers;
};

/// The calls of one path, on the service's side.
/// Threads: any, together.
class ServerMethod {
 public:
  virtual ~ServerMethod() = default;
  virtual const std::string& path() const noexcept = 0;
  /// What its payloads are written with; null: the service's own.
  virtual const spi::Serializer* serializer() const noexcept { return nullptr; }
  /// True for a call that begins with its first message already of a stream of requests: `out` is what stands for it.
  virtual bool begins(Incoming& out) const { return static_cast<void>(out), false; }
  virtual std::optional<CallStatus> read(std::string_view body, Incoming& out) const = 0;
  /// The payload of one more message of a stream of requests, a view into `body`; null, or what is wrong.
  virtual const char* read_next(std::string_view body, std::string_view& payload) const = 0;
  /// `first`: no message was sent yet.
  virtual Answer answer(spi::ReplyKind kind, std::string& payload, bool first) const = 0;
  /// The error that the handler's own status is to callers who do not see the call's.
  virtual void restate(const CallStatus& status, std::string& payload) const { static_cast<void>(status), static_cast<void>(payload); }
};

/// The calls of one path, on the client's side.
class ClientMethod {
 public:
  virtual ~ClientMethod() = default;
  virtual const std::string& path() const noexcept = 0;
  /// One message of reply only, which counts if the status after it is good.
  virtual bool one_reply() const noexcept = 0;
  /// Null, or why it is not to be called so: with a stream of requests, or with one.
  virtual const char* fault(bool request_stream) const noexcept { return static_cast<void>(request_stream), nullptr; }
  /// Headers go as metadata.
  virtual bool metadata_headers() const noexcept = 0;
  /// What goes before the message's payload. False: there is no such message, since all are the stream's own.
  virtual bool write(const spi::OutgoingMessage& message, std::string& head) const = 0;
  /// The same of one more message of a stream of requests.
  virtual void write_next(std::size_t payload, std::string& head) const = 0;
  /// A message of the reply. `text` is where the view may point to. Null, or what is wrong.
  virtual const char* read(std::string_view body, std::string& text, spi::ReplyView& out) const = 0;
  /// The end of a call that no reply has ended: a reply's error, or a failure. Nothing: the end, without a value.
  struct End {
    std::optional<Failure> failure;
    std::string error;   // the remote's, in the serializer's format; empty: none
  };
  virtual End end(const CallStatus& status, std::string_view where) const = 0;
};

}  // namespace ferry::grpc
