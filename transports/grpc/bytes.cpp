#include "transports/grpc/bytes.hpp"

#include <array>
#include <memory>
#include <utility>

namespace ferry::grpc {
namespace {

constexpr std::size_t copied_bytes = 4096;   // less is copied quicker than handed over

}  // namespace

::grpc::ByteBuffer make_buffer(std::string_view head, std::string payload) {
  if (payload.size() <= copied_bytes) {
    if (payload.empty()) {
      const ::grpc::Slice slice(head.data(), head.size());
      return {&slice, 1};
    }
    std::string all;
    all.reserve(head.size() + payload.size());
    all.append(head).append(payload);
    const ::grpc::Slice slice(all.data(), all.size());
    return {&slice, 1};
  }
  auto* const owned = new std::string(std::move(payload));
  const std::array<::grpc::Slice, 2> slices{
      ::grpc::Slice(head.data(), head.size()),
      ::grpc::Slice(owned->data(), owned->size(), [](void* text) { delete static_cast<std::string*>(text); }, owned)};
  return {slices.data(), slices.size()};
}

bool Body::take(::grpc::ByteBuffer& buffer) {
  if (!buffer.TrySingleSlice(&slice_).ok() && !buffer.DumpToSingleSlice(&slice_).ok()) return false;
  buffer.Clear();
  return true;
}

}  // namespace ferry::grpc
