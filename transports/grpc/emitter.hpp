#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "transports/grpc/client_call.hpp"

namespace ferry::grpc {

/// The stream of a client's events, in their order. Those that wait while one message is written go together in the next.
///
/// Lifetime: held by gRPC until `OnDone`.
/// Threads:  the client's loop, but for the reactions.
class Emitter final : public ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer>,
                      public std::enable_shared_from_this<Emitter> {
 public:
  explicit Emitter(std::shared_ptr<Inlet> inlet) : inlet_(std::move(inlet)) {}

  void start(::grpc::GenericStub& stub);
  /// How many it can take is core's affair: each is one of its calls in flight.
  void add(std::string_view head, std::string payload, spi::EmitToken token);
  /// After news that a message was written: whose outcome it is.
  std::vector<spi::EmitToken> written();
  /// Nothing more is added. Of those that were not written yet, all are, first.
  void finish();
  void cancel();
  bool idle() const noexcept { return !writing_; }
  /// Those of which nothing is known.
  std::vector<spi::EmitToken> rest();

 private:
  struct Batch {
    std::string bytes;
    std::vector<spi::EmitToken> tokens;
  };
  void pump();
  void let_go();

  void OnWriteDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const ::grpc::Status& status) override;

  const std::shared_ptr<Inlet> inlet_;
  std::shared_ptr<Emitter> self_;
  ::grpc::ClientContext context_;
  ::grpc::ByteBuffer out_;
  ::grpc::ByteBuffer in_;
  std::deque<Batch> waiting_;
  std::vector<spi::EmitToken> in_flight_;
  bool writing_ = false;
  bool finishing_ = false;
  bool held_ = false;
};

}  // namespace ferry::grpc
