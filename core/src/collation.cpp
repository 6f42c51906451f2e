// The order of keys in a route. NestJS sorts them with `localeCompare`, which is ICU's root collation.
//
// Keys of ASCII characters, which is nearly all there are, are ordered by a table. Others need ICU; built without it,
// a key with a non-ASCII character sorts behind every ASCII key, by code point.

#include <array>
#include <cstdint>
#include <string_view>

#include "ferry/detail/utf.hpp"
#include "ferry/pattern.hpp"

#ifdef FERRY_HAVE_ICU
#include <unicode/ucol.h>
#endif

namespace ferry::detail {
namespace {

// Primary order; upper and lower case of a letter share a weight. Characters not listed are ignored.
constexpr std::string_view collation_order =
    "\t\n\v\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789"
    "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";

constexpr auto primary_weights = [] {
  std::array<std::uint8_t, 128> weights{};
  std::uint8_t next = 1;
  for (const char c : collation_order) {
    const bool upper = c >= 'A' && c <= 'Z';
    weights[static_cast<std::size_t>(c)] = upper ? static_cast<std::uint8_t>(next - 1) : next++;
  }
  return weights;
}();

std::uint8_t weight(char c) { return primary_weights[static_cast<std::size_t>(c)]; }

std::size_t next_weighted(std::string_view text, std::size_t i) {
  while (i < text.size() && weight(text[i]) == 0) ++i;
  return i;
}

int compare_ascii(std::string_view a, std::string_view b) {
  int by_case = 0;   // decides only between keys whose primary weights are all equal; lower case first
  std::size_t i = next_weighted(a, 0);
  std::size_t j = next_weighted(b, 0);
  while (i < a.size() && j < b.size()) {
    if (weight(a[i]) != weight(b[j])) return weight(a[i]) < weight(b[j]) ? -1 : 1;
    if (by_case == 0 && a[i] != b[j]) by_case = a[i] > b[j] ? -1 : 1;   // 'a' > 'A' as a byte
    i = next_weighted(a, i + 1);
    j = next_weighted(b, j + 1);
  }
  if (i < a.size()) return 1;
  if (j < b.size()) return -1;
  return by_case;
}

#ifdef FERRY_HAVE_ICU
int compare_icu(std::string_view a, std::string_view b) {
  static UCollator* const collator = [] {   // thread-safe once made; lives as long as the process
    UErrorCode status = U_ZERO_ERROR;
    return ucol_open("en_US", &status);
  }();
  UErrorCode status = U_ZERO_ERROR;
  return ucol_strcollUTF8(collator, a.data(), static_cast<std::int32_t>(a.size()), b.data(),
                          static_cast<std::int32_t>(b.size()), &status);
}
#else
int compare_icu(std::string_view a, std::string_view b) {
  if (is_ascii(a) != is_ascii(b)) return is_ascii(a) ? -1 : 1;
  return a.compare(b);
}
#endif

}  // namespace

int compare_keys(std::string_view a, std::string_view b) {
  return is_ascii(a) && is_ascii(b) ? compare_ascii(a, b) : compare_icu(a, b);
}

}  // namespace ferry::detail
