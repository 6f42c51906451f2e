#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/impl/codegen/call_op_set.h>

namespace ferry::grpc {

/// Messages that wait until gRPC has written the one before, in either direction of a call.
/// Threads: one at a time.
class Outbox {
 public:
  void put(::grpc::ByteBuffer&& message);
  /// Of a call with one message: the same without waiting.
  const ::grpc::ByteBuffer& only(::grpc::ByteBuffer&& message);
  /// What is to be written next; it stays here until the one after. How: what goes out as one piece costs one call of the
  /// system, one record of TLS, and one wake-up of the peer.
  const ::grpc::ByteBuffer& next();
  ::grpc::WriteOptions options() const;
  void clear();

  bool empty() const noexcept { return waiting() == 0; }
  bool last() const noexcept { return waiting() == 1; }
  /// So much waits that its writer should.
  bool full() const noexcept;
  /// He may go on.
  bool low() const noexcept;

 private:
  /// gRPC's buffers know no move, only copies and swaps.
  struct Message {
    explicit Message(::grpc::ByteBuffer& from) { bytes.Swap(&from); }
    Message(Message&& from) noexcept { bytes.Swap(&from.bytes); }
    Message& operator=(Message&& from) noexcept { return bytes.Swap(&from.bytes), *this; }
    ::grpc::ByteBuffer bytes;
  };
  std::size_t waiting() const noexcept { return messages_.size() - first_; }

  std::vector<Message> messages_;   // costs nothing until there is one
  std::size_t first_ = 0;           // those before it are gone
  std::size_t waiting_bytes_ = 0;
  ::grpc::ByteBuffer current_;
};

}  // namespace ferry::grpc
