#include "transports/grpc/bytes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <grpc/slice.h>

namespace ferry::grpc {
namespace {

constexpr std::size_t copied_bytes = 4096;   // less is copied quicker than handed over

}  // namespace

::grpc::ByteBuffer make_buffer(std::string_view bytes) {
  const ::grpc::Slice slice(bytes.data(), bytes.size());
  return {&slice, 1};
}

::grpc::ByteBuffer make_buffer(std::string_view head, std::string& payload) {
  if (payload.size() <= copied_bytes) {
    grpc_slice all = grpc_slice_malloc(head.size() + payload.size());
    std::copy(head.begin(), head.end(), GRPC_SLICE_START_PTR(all));
    std::copy(payload.begin(), payload.end(), GRPC_SLICE_START_PTR(all) + head.size());
    const ::grpc::Slice slice(all, ::grpc::Slice::STEAL_REF);
    return {&slice, 1};
  }
  auto* const owned = new std::string(std::move(payload));
  const std::array<::grpc::Slice, 2> slices{
      ::grpc::Slice(head.data(), head.size()),
      ::grpc::Slice(owned->data(), owned->size(), [](void* text) { delete static_cast<std::string*>(text); }, owned)};
  return {slices.data(), slices.size()};
}

bool Body::take(const ::grpc::ByteBuffer& buffer) {
  return buffer.TrySingleSlice(&slice_).ok() || buffer.DumpToSingleSlice(&slice_).ok();
}

}  // namespace ferry::grpc
