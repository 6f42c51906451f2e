#pragma once
// gRPC's byte buffers from and to what ferry has.

#include <string>
#include <string_view>

#include <grpcpp/support/byte_buffer.h>

namespace ferry::grpc {

::grpc::ByteBuffer make_buffer(std::string_view bytes);
/// `head`, then `payload`, whose memory is taken over where it is large.
::grpc::ByteBuffer make_buffer(std::string_view head, std::string& payload);

/// A received message in one piece.
class Body {
 public:
  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  /// Shares the buffer's bytes; false if they cannot be had.
  bool take(const ::grpc::ByteBuffer& buffer);
  std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
  }

 private:
  ::grpc::Slice slice_;   // small ones lie within it: it stays where it is
};

}  // namespace ferry::grpc
