#pragma once
// gRPC's byte buffers from and to what ferry has.

#include <string>
#include <string_view>

#include <grpcpp/support/byte_buffer.h>

namespace ferry::grpc {

/// `head`, then `payload`, which goes over without a copy where it is large.
::grpc::ByteBuffer make_buffer(std::string_view head, std::string payload = {});

/// A received message in one piece.
class Body {
 public:
  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  /// Takes the buffer's bytes over; false if they cannot be had.
  bool take(::grpc::ByteBuffer& buffer);
  std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
  }

 private:
  ::grpc::Slice slice_;   // small ones lie within it: it stays where it is
};

}  // namespace ferry::grpc
