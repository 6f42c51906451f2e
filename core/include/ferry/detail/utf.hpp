#pragma once
// UTF-8 and UTF-16 as the wire needs them: NestJS counts UTF-16 code units and replaces what is no UTF-8 by U+FFFD.

#include <cstddef>
#include <string>
#include <string_view>

namespace ferry::detail {

/// UTF-16 code units of `text`, each maximal ill-formed subpart counting 1 (it would be decoded to U+FFFD).
std::size_t utf16_units(std::string_view text) noexcept;

/// True if every byte is below 0x80.
bool is_ascii(std::string_view text) noexcept;

bool is_valid_utf8(std::string_view text) noexcept;

/// `text` with each maximal ill-formed subpart replaced by U+FFFD, as the WHATWG decoder does.
std::string replace_invalid_utf8(std::string_view text);

/// Progress of a count that may stop in the middle of a character and go on when more bytes have come.
struct UnitScan {
  std::size_t bytes = 0;   ///< consumed
  std::size_t units = 0;   ///< counted in them
  bool invalid = false;    ///< at least one ill-formed subpart was among them
};

/// Goes on from `scan` until `limit` units are counted or the bytes run out. A character whose bytes are not all
/// there stays unconsumed. A pair that would overshoot the limit is not consumed either: `units` is then limit - 1 and
/// `bytes` points at the pair.
void scan_units(std::string_view text, std::size_t limit, UnitScan& scan) noexcept;

/// Appends the UTF-8 of a code point. Lone surrogates come out as their three-byte form (WTF-8), so that JSON text with
/// an escaped lone surrogate survives a round trip.
void append_utf8(std::string& out, char32_t code_point);

}  // namespace ferry::detail
