#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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
  /// `longest`: bytes of a message that gRPC would take.
  Emitter(std::shared_ptr<Inlet> inlet, std::size_t longest);

  void start(Stub& stub);
  /// False: gRPC would end the whole stream for an event that long.
  bool fits(std::string_view head, std::string_view payload) const noexcept;
  /// How many it can take is core's affair: each is one of its calls in flight.
  void add(std::string_view head, std::string payload, spi::EmitToken token);
  /// After news that a message was written: whose outcome it is.
  std::vector<spi::EmitToken> written();
  /// Nothing more is added. Of those that were not written yet, all are, first.
  void finish();
  void cancel();
  /// After news that it closes: no write begins any more.
  void let_go();
  bool idle() const noexcept { return !writing_; }
  /// Those whose message is being written: what became of it is not known.
  std::vector<spi::EmitToken> in_flight() { return std::exchange(in_flight_, {}); }
  /// Those that were not written.
  std::vector<spi::EmitToken> rest();

 private:
  struct Batch {
    std::string bytes;
    std::vector<spi::EmitToken> tokens;
  };
  void pump();

  void OnWriteDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const ::grpc::Status& status) override;

  const std::shared_ptr<Inlet> inlet_;
  const std::size_t longest_;
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
