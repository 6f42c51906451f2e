#include "transports/grpc/wire.hpp"

namespace ferry::grpc::wire {
namespace {

constexpr int longest_varint = 10;   // bytes
constexpr int deepest_group = 100;   // as Protobuf itself reads

}  // namespace

bool Reader::next() noexcept {
  if (rest_.empty()) return false;
  std::uint64_t tag = 0;
  if (!varint(tag)) return false;
  const std::uint64_t number = tag >> 3;
  const auto type = static_cast<std::uint8_t>(tag & 7);
  if (number == 0 || number > 0x1FFFFFFF || type > 5) return fail();
  number_ = static_cast<std::uint32_t>(number);
  type_ = static_cast<Type>(type);
  return true;
}

bool Reader::varint(std::uint64_t& out) noexcept {
  out = 0;
  for (int i = 0; i < longest_varint; ++i) {
    if (rest_.empty()) return fail();
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    out |= std::uint64_t{byte & 0x7FU} << (7 * i);
    if ((byte & 0x80) == 0) return true;
  }
  return fail();
}

bool Reader::little_endian(std::size_t count, std::uint64_t& out) noexcept {
  if (rest_.size() < count) return fail();
  out = 0;
  for (std::size_t i = 0; i < count; ++i) out |= std::uint64_t{static_cast<std::uint8_t>(rest_[i])} << (8 * i);
  rest_.remove_prefix(count);
  return true;
}

bool Reader::bytes(std::string_view& out) noexcept {
  std::uint64_t length = 0;
  if (!varint(length)) return false;
  if (length > rest_.size()) return fail();
  out = rest_.substr(0, static_cast<std::size_t>(length));
  rest_.remove_prefix(static_cast<std::size_t>(length));
  return true;
}

bool Reader::skip(int depth) noexcept {
  std::uint64_t number = 0;
  std::string_view text;
  switch (type_) {
    case Type::varint: return varint(number);
    case Type::fixed64: return fixed64(number);
    case Type::fixed32: return fixed32(number);
    case Type::length: return bytes(text);
    case Type::group_end: return fail();   // of no group
    case Type::group_begin: break;
  }
  if (depth >= deepest_group) return fail();
  const std::uint32_t group = number_;
  while (next()) {
    if (type_ == Type::group_end) return number_ == group || fail();
    if (!skip(depth + 1)) return false;
  }
  return fail();
}

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7F) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void append_little_endian(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

}  // namespace ferry::grpc::wire
