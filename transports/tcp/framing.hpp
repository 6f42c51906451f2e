#pragma once
// NestJS's framing, with no socket: `<length>#<body>` and nothing between frames. The length counts UTF-16 code units of
// the body after whatever is no UTF-8 has become U+FFFD; for a serializer that writes no text it counts bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/detail/utf.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/tcp/error.hpp"

namespace ferry::tcp {

/// Finds frames in what was received. It remembers how far it looked, so that each byte is looked at once however the
/// packets fall.
///
/// The owner keeps the bytes: it passes all that is unread, each time from the same first byte on, and drops the `taken`
/// bytes of each step.
class FrameReader {
 public:
  enum class Status : std::uint8_t {
    frame,
    need_more,
    corrupt_length,   ///< no digits before '#': `body` is what stood there
    cut_character,    ///< the length ends within a surrogate pair: can never be JSON
  };
  struct Step {
    Status status = Status::need_more;
    std::size_t taken = 0;
    std::string_view body = {};   ///< into the bytes that were passed
    bool ill_formed = false;      ///< the body is not UTF-8: `detail::replace_invalid_utf8` it first
  };

  /// `max_length`: of all that is unread, prefix included (maxBufferSize).
  FrameReader(bool text, std::size_t max_length) noexcept : text_(text), max_length_(max_length) {}

  /// After each read, before `next`: false if too much is unread. NestJS tests this before it looks for frames, so
  /// that several small ones in one read can be too much.
  bool fits(std::string_view unread) noexcept;
  Step next(std::string_view unread) noexcept;

  /// What NestJS would call the length of the unread buffer.
  std::size_t length_of(std::string_view unread) const noexcept;
  /// True if a packet has begun and is not complete.
  bool in_packet(std::string_view unread) const noexcept { return has_length_ || !unread.empty(); }
  /// The body that is being waited for has at least as many bytes; 0 if its length is not known.
  std::size_t expected_bytes() const noexcept { return has_length_ ? length_ : 0; }

 private:
  bool read_prefix(std::string_view unread, Step& step) noexcept;

  bool text_;
  std::size_t max_length_;
  bool has_length_ = false;         // the prefix of the current frame was taken
  std::size_t length_ = 0;
  std::size_t searched_ = 0;        // bytes without '#'
  detail::UnitScan body_;           // of the current frame
  detail::UnitScan all_;            // of all that is unread, once it is worth counting
};

/// What JavaScript's parseInt makes of a prefix: white space, sign, digits, and anything after them. Nothing if there is
/// no digit; 0 for what is negative; the largest number for what does not fit.
std::optional<std::size_t> parse_length(std::string_view prefix) noexcept;

/// `<length>#` for a body made of these parts.
class LengthPrefix {
 public:
  LengthPrefix(std::string_view head, std::string_view payload, std::string_view tail, bool text) noexcept;
  operator std::string_view() const noexcept { return {digits_, size_}; }

 private:
  char digits_[24];
  std::size_t size_;
};

/// Appends a whole frame. The contents of a large payload are moved out of it.
void append_frame(net::OutQueue& out, std::string_view head, std::string& payload, std::string_view tail, bool text);

}  // namespace ferry::tcp
