// Counting, checking and mending UTF-8, against the standard's own decoder.

#include <algorithm>
#include <string>

#include "ferry/detail/utf.hpp"
#include "target.hpp"
#include "utf16_reference.hpp"

namespace ferry::fuzz {
namespace {

constexpr auto no_limit = static_cast<std::size_t>(-1);

/// The same count, made while the bytes arrive in pieces.
void check_pieces(std::string_view input, std::size_t piece) {
  detail::UnitScan scan;
  for (std::size_t end = 0; end < input.size();) {
    end = std::min(input.size(), end + piece);
    detail::scan_units(input.substr(0, end), no_limit, scan);
    if (end < 64 || end == input.size()) FUZZ_CHECK(scan.units == to_utf16(input.substr(0, end), true).size());
  }
}

void check_limit(std::string_view input, std::size_t limit) {
  detail::UnitScan scan;
  detail::scan_units(input, limit, scan);
  FUZZ_CHECK(scan.units <= limit && scan.bytes <= input.size());
  FUZZ_CHECK(scan.units == to_utf16(input.substr(0, scan.bytes)).size());
}

}  // namespace

void run(std::string_view input) {
  const std::u16string expected = to_utf16(input);
  FUZZ_CHECK(detail::utf16_units(input) == expected.size());

  const std::string mended = detail::replace_invalid_utf8(input);
  FUZZ_CHECK(to_utf16(mended) == expected);
  FUZZ_CHECK(detail::is_valid_utf8(mended));
  FUZZ_CHECK(detail::is_valid_utf8(input) == (mended == input));
  const bool ascii = std::all_of(input.begin(), input.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  FUZZ_CHECK(detail::is_ascii(input) == ascii);

  const std::uint64_t choice = hash_of(input);
  check_pieces(input, 1);
  check_pieces(input, 1 + choice % 40);
  check_limit(input, choice % (expected.size() + 2));
}

}  // namespace ferry::fuzz
