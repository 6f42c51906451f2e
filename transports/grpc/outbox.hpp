#pragma once

#include <cstddef>
#include <list>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/impl/codegen/call_op_set.h>

namespace ferry::grpc {

/// Messages that wait until gRPC has written the one before, in either direction of a call.
/// Threads: one at a time.
class Outbox {
 public:
  void put(::grpc::ByteBuffer message);
  /// What is to be written next; it stays here until the one after. How: what goes out as one piece costs one call of the
  /// system, one record of TLS, and one wake-up of the peer.
  const ::grpc::ByteBuffer& next();
  ::grpc::WriteOptions options() const;
  void clear();

  bool empty() const noexcept { return waiting_.empty(); }
  bool last() const noexcept { return waiting_.size() == 1; }
  /// So much waits that its writer should.
  bool full() const noexcept;
  /// He may go on.
  bool low() const noexcept;

 private:
  std::list<::grpc::ByteBuffer> waiting_;   // costs nothing while it is empty, as it mostly is
  std::size_t waiting_bytes_ = 0;
  ::grpc::ByteBuffer current_;
};

}  // namespace ferry::grpc
