#pragma once
// Protobuf's wire format: tags, varints and lengths, with no message classes in between.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::grpc::wire {

enum class Type : std::uint8_t { varint = 0, fixed64 = 1, length = 2, group_begin = 3, group_end = 4, fixed32 = 5 };

/// Reads fields out of bytes from outside. After a failure every call fails; views point into those bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}

  /// The next field; false at the end and for bytes that are no field: see `failed`.
  bool next() noexcept;
  std::uint32_t number() const noexcept { return number_; }
  Type type() const noexcept { return type_; }

  bool varint(std::uint64_t& out) noexcept;
  bool fixed64(std::uint64_t& out) noexcept { return little_endian(8, out); }
  bool fixed32(std::uint64_t& out) noexcept { return little_endian(4, out); }
  bool bytes(std::string_view& out) noexcept;
  /// Past the field that `next` found, whatever it is.
  bool skip() noexcept { return skip(0); }

  bool failed() const noexcept { return failed_; }
  bool at_end() const noexcept { return rest_.empty(); }

 private:
  bool little_endian(std::size_t count, std::uint64_t& out) noexcept;
  bool skip(int depth) noexcept;
  bool fail() noexcept {
    failed_ = true;
    rest_ = {};
    return false;
  }

  std::string_view rest_;
  std::uint32_t number_ = 0;
  Type type_ = Type::varint;
  bool failed_ = false;
};

void append_varint(std::string& out, std::uint64_t value);
void append_little_endian(std::string& out, std::uint64_t value, std::size_t bytes);
inline void append_tag(std::string& out, std::uint32_t number, Type type) {
  append_varint(out, (std::uint64_t{number} << 3) | static_cast<std::uint64_t>(type));
}
inline void append_number(std::string& out, std::uint32_t number, std::uint64_t value) {
  append_tag(out, number, Type::varint);
  append_varint(out, value);
}
/// A field's tag and length: what it holds is appended by the caller.
inline void append_length(std::string& out, std::uint32_t number, std::size_t length) {
  append_tag(out, number, Type::length);
  append_varint(out, length);
}
inline void append_bytes(std::string& out, std::uint32_t number, std::string_view value) {
  append_length(out, number, value.size());
  out.append(value);
}

constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace ferry::grpc::wire
