#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/client_context.h>

#include "ferry/spi/transport.hpp"
#include "transports/common/mailbox.hpp"
#include "transports/grpc/bytes.hpp"
#include "transports/grpc/error.hpp"
#include "transports/grpc/method.hpp"
#include "transports/grpc/outbox.hpp"
#include "transports/grpc/stub.hpp"

namespace ferry::grpc {

class ClientCall;
class Emitter;

/// What gRPC's threads tell a client's loop.
struct News {
  std::shared_ptr<ClientCall> call = {};    // of this call:
  enum class Of : std::uint8_t {
    message,
    writable,   ///< it can take more requests
    end,        ///< with `status`; a call with one reply has its message now
  } of = Of::message;
  std::shared_ptr<Body> message = {};
  CallStatus status = {};                   // of an end
  std::shared_ptr<Emitter> emitter = {};    // of the stream of events:
  enum class Event : std::uint8_t {
    written,   ///< a message was
    closing,   ///< nothing can be written any more
    ended,     ///< with `status`
  } event = Event::written;
  std::function<void()> other = {};         // anything else
};

/// The way to the client's loop. Bounded by the calls: each has no more than a few messages in it.
/// Lifetime: shared with every call; closed with the client, after which nothing comes.
class Inlet {
 public:
  using Mailbox = transports::Mailbox<News>;
  static std::shared_ptr<Inlet> make(const spi::Loop& loop, Mailbox::Take take);
  void put(News news) { mailbox_.put(std::move(news), Mailbox::Rank::control); }
  void close() { mailbox_.close(); }

 private:
  explicit Inlet(const spi::Loop& loop);
  Mailbox mailbox_;
};

/// One request: gRPC's reactor, held by gRPC until `OnDone`.
/// Threads:  reactions on gRPC's, the rest on the client's loop; `mutex_` guards what both touch.
class ClientCall final : public ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer>,
                         public std::enable_shared_from_this<ClientCall> {
 public:
  ClientCall(std::shared_ptr<Inlet> inlet, const ClientMethod& of, std::string its_id, spi::EmitToken its_token)
      : method(of), id(std::move(its_id)), token(its_token), inlet_(std::move(inlet)) {}

  ::grpc::ClientContext context;
  const ClientMethod& method;
  const std::string id;          // of a request
  const spi::EmitToken token;    // of an event
  // On the loop.
  bool ended = false;            // core has heard its end
  bool held = false;             // nobody takes its messages
  std::list<std::shared_ptr<Body>> held_back;   // those that came nevertheless, as many as it reads ahead

  void start(Stub& stub, ::grpc::ByteBuffer&& message);
  /// The same of a stream of requests, each for `write`.
  void start_stream(Stub& stub);
  /// On the loop. What is written after the end is dropped.
  void write(::grpc::ByteBuffer&& message);
  void end_writes();
  bool writable() const;
  /// On the loop: one of its messages was.
  void taken(const Body& message);
  /// On the loop: nobody waits for more.
  void cancel();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void keep();
  void pump();         // mutex held
  void close_writes();   // mutex held
  /// Nobody waits for its messages any more.
  void give_up();
  void OnDone(const ::grpc::Status& status) override;

  const std::shared_ptr<Inlet> inlet_;
  std::shared_ptr<ClientCall> self_;
  ::grpc::ByteBuffer in_;
  Body only_;                    // of a call with one reply
  bool replied_ = false;         // which it has
  const char* fault_ = nullptr;  // why it was given up: its status is of our own making

  mutable std::mutex mutex_;
  Outbox outbox_;
  bool writing_ = false;
  bool open_ = false;       // a stream of requests goes on: gRPC must not end the call behind our back
  bool finishing_ = false;  // when all of it is written
  mutable bool waited_for_ = false;   // somebody wants to hear that it can take more
  int untaken_ = 0;     // messages on their way to the loop
  std::size_t untaken_bytes_ = 0;
  bool given_up_ = false;   // the status follows: nothing holds the call any more
  bool held_ = false;   // no read is under way, and the call must not end before one is
};

}  // namespace ferry::grpc
