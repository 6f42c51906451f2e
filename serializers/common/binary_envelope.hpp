#pragma once
// What msgpack and cbor share: envelopes as maps, and a walker that finds the spans in them without building anything.
//
// A format is a type with
//   static const char* read_head(Cursor&, Head&)    the head of one item; null, or what is wrong
//   static void write_map / write_text / write_bytes / write_true
//   static bool parse(std::string_view, nlohmann::json&)    of a whole item that was walked before
//   static void append(const nlohmann::json&, std::string&)

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"
#include "ferry/spi/serializer.hpp"

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

/// The start of an item: its kind, and all of it where nothing else belongs to it.
struct Head {
  enum class Kind : std::uint8_t {
    scalar,   ///< complete
    text,     ///< complete: `bytes` is its content
    bytes,    ///< complete: `bytes` is its content
    array,    ///< `count` items follow
    map,      ///< `count` pairs follow
    tag,      ///< one item follows, which it says something about
    chunks,   ///< chunks of text or bytes follow, up to a stop
    stop,     ///< the end of something indefinite
  };
  Kind kind = Kind::scalar;
  bool truthy = true;        ///< of scalars and text, as JavaScript sees them
  bool indefinite = false;   ///< of arrays and maps: `count` is not known, a stop ends it
  std::uint64_t count = 0;
  std::string_view bytes = {};
};

inline void write_number(std::string& out, std::uint64_t value, unsigned width) {
  while (width-- > 0) out += static_cast<char>(value >> (8 * width));
}

inline constexpr const char* ends_too_early = "the body ends too early";

/// Skips one item with all that belongs to it. No recursion, no allocation; sizes are believed only as far as there are
/// bytes for them.
template <class Format>
class Walker {
 public:
  static constexpr unsigned max_depth = 1000;   // as JsonReader

  static const char* skip(Cursor& cursor, Head& first) noexcept {
    Level levels[max_depth];   // left unset: only levels that were entered are read
    unsigned depth = 0;
    for (bool top = true;; top = false) {
      Head head;
      if (const char* fault = Format::read_head(cursor, head)) return fault;
      if (top) first = head;
      if (head.kind == Head::Kind::stop) {
        if (depth == 0 || !levels[depth - 1].may_stop()) return "a stop where none belongs";
        --depth;
      } else {
        if (depth > 0 && levels[depth - 1].chunks && (head.kind != levels[depth - 1].chunk_kind || head.indefinite)) {
          return "a chunk of another type";
        }
        if (opens(head)) {
          if (depth == max_depth) return "nested too deep";
          // Each item takes a byte at least.
          if (head.count > cursor.left() || (head.kind == Head::Kind::map && head.count > cursor.left() / 2)) {
            return ends_too_early;
          }
          levels[depth++] = Level(head);
          if (levels[depth - 1].left != 0 || head.indefinite) continue;
          --depth;
        }
      }
      while (depth > 0 && levels[depth - 1].item_done()) --depth;
      if (depth == 0) return nullptr;
    }
  }

 private:
  static bool opens(const Head& head) noexcept {
    return head.kind == Head::Kind::array || head.kind == Head::Kind::map || head.kind == Head::Kind::tag ||
           head.kind == Head::Kind::chunks;
  }

  struct Level {
    Level() = default;
    explicit Level(const Head& head) noexcept
        : left(head.kind == Head::Kind::map ? 2 * head.count : head.kind == Head::Kind::tag ? 1 : head.count),
          indefinite(head.indefinite),
          map(head.kind == Head::Kind::map),
          chunks(head.kind == Head::Kind::chunks),
          chunk_kind(head.count == 3 ? Head::Kind::text : Head::Kind::bytes) {}

    bool may_stop() const noexcept { return indefinite && (!map || left % 2 == 0); }
    /// Counts an item; true if it was the last.
    bool item_done() noexcept {
      if (indefinite) return ++left, false;
      return --left == 0;
    }

    std::uint64_t left;   ///< items to come; of something indefinite: items so far
    bool indefinite;
    bool map;
    bool chunks;
    Head::Kind chunk_kind;
  };
};
}  // namespace ferry::serializers
