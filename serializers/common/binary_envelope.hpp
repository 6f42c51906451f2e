#pragma once
// What msgpack and cbor share: reading bytes with care, and a walker that finds spans without building anything.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::serializers {

/// Reads bytes in network order and never past the end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) noexcept : at_(bytes.data()), end_(at_ + bytes.size()) {}

  const char* at() const noexcept { return at_; }
  std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  bool read_byte(std::uint8_t& out) noexcept {
    if (at_ == end_) return false;
    out = static_cast<std::uint8_t>(*at_++);
    return true;
  }
  /// An unsigned number of `width` bytes.
  bool read_number(unsigned width, std::uint64_t& out) noexcept {
    if (left() < width) return false;
    out = 0;
    for (unsigned i = 0; i < width; ++i) out = (out << 8) | static_cast<std::uint8_t>(*at_++);
    return true;
  }
  bool read_span(std::uint64_t size, std::string_view& out) noexcept {
    if (left() < size) return false;
    out = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }

 private:
  const char* at_;
  const char* end_;
};

/// The start of an item, and all of it where nothing else belongs to it.
struct Head {
  enum class Kind : std::uint8_t {
    scalar,  ///< complete
    text,    ///< complete: `bytes` is its content
    array,   ///< `count` items follow
    map,     ///< `count` pairs follow
    tag,     ///< one item follows, which the tag says something about
    stop,    ///< the end of an indefinite array or map
  };
  Kind kind = Kind::scalar;
  bool truthy = true;        ///< as JavaScript sees it
  bool indefinite = false;   ///< of arrays and maps: `count` is not known, a stop ends it
  std::uint64_t count = 0;
  std::string_view bytes = {};
};

inline constexpr const char* ends_too_early = "the body ends too early";

inline void append_number(std::string& out, std::uint64_t value, unsigned width) {
  while (width-- > 0) out += static_cast<char>(value >> (8 * width));
}

/// Whether an IEEE number of 2, 4 or 8 bytes is truthy: not zero, not NaN.
inline bool is_truthy_float(std::uint64_t bits, unsigned width) noexcept {
  const std::uint64_t magnitude = bits & ~(std::uint64_t{1} << (8 * width - 1));
  const std::uint64_t infinity = width == 2 ? 0x7C00U : width == 4 ? 0x7F800000U : std::uint64_t{0x7FF} << 52;
  return magnitude != 0 && magnitude <= infinity;
}

using ReadHead = const char* (*)(Cursor&, Head&);

/// Skips one item with all that belongs to it; null, or what is wrong. No recursion and no allocation: sizes are believed
/// only as far as there are bytes for them.
template <ReadHead read_head>
const char* skip_item(Cursor& cursor, Head& first) noexcept {
  struct Level {
    std::uint64_t items;   // to come; of something indefinite: so far
    bool indefinite;
    bool map;
  };
  constexpr unsigned max_depth = 1000;   // as JsonReader
  Level levels[max_depth];   // left unset: only levels that were entered are read
  unsigned depth = 0;
  for (bool top = true;; top = false) {
    Head head;
    if (const char* fault = read_head(cursor, head)) return fault;
    if (top) first = head;
    if (head.kind == Head::Kind::stop) {
      if (depth == 0 || !levels[depth - 1].indefinite) return "a stop where nothing is to be ended";
      if (levels[depth - 1].map && levels[depth - 1].items % 2 != 0) return "a key without a value";
      --depth;
    } else if (head.indefinite || head.count != 0) {
      const bool map = head.kind == Head::Kind::map;
      if (head.count > cursor.left() / (map ? 2 : 1)) return ends_too_early;   // each item takes a byte at least
      if (depth == max_depth) return "nested too deep";
      levels[depth++] = {map ? 2 * head.count : head.count, head.indefinite, map};
      continue;
    }
    // An item is complete, and perhaps what encloses it.
    while (depth != 0) {
      Level& level = levels[depth - 1];
      if (level.indefinite ? (++level.items, true) : --level.items != 0) break;
      --depth;
    }
    if (depth == 0) return nullptr;
  }
}

/// Calls `each(name, value, head)` for each member of the map that `body` is; the name is empty for a key that is no plain
/// text. `is_map` is false for a body that is something else. Null, or what is wrong: all of the body is checked.
template <ReadHead read_head, class Each>
const char* walk_members(std::string_view body, bool& is_map, Each each) {
  Cursor cursor(body);
  Head map;
  if (const char* fault = read_head(cursor, map)) return fault;
  is_map = map.kind == Head::Kind::map;
  if (!is_map) {
    cursor = Cursor(body);
    if (const char* fault = skip_item<read_head>(cursor, map)) return fault;
  }
  for (std::uint64_t i = 0; is_map && (map.indefinite || i != map.count); ++i) {
    Head key;
    Head value;
    if (map.indefinite) {
      Cursor ahead = cursor;
      if (const char* fault = read_head(ahead, key)) return fault;
      if (key.kind == Head::Kind::stop) {
        cursor = ahead;
        break;
      }
    }
    if (const char* fault = skip_item<read_head>(cursor, key)) return fault;
    const char* const start = cursor.at();
    if (const char* fault = skip_item<read_head>(cursor, value)) return fault;
    const std::string_view name = key.kind == Head::Kind::text ? key.bytes : std::string_view();
    each(name, std::string_view(start, static_cast<std::size_t>(cursor.at() - start)), value);
  }
  return cursor.left() == 0 ? nullptr : "there are bytes behind the body";
}

}  // namespace ferry::serializers
