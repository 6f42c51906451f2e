#pragma once
// What the parts of the options code share: words for error texts, and the normaliser behind Options::parse.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/options.hpp"

namespace ferry::spi::detail {

constexpr std::int64_t no_min = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t no_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t longest_duration_ms = std::int64_t{876'000} * 3'600'000;  // 100 years
constexpr std::int64_t largest_size_bytes = std::int64_t{1} << 62;

/// `"abc" (a string)`, `12 (a number)`, `an object`; long strings are cut.
std::string found(const nlohmann::json& value);
/// `an integer from 0 to 65535`, `one of "a", "b"`.
std::string expected(const Option& option);
/// Throws "<place>: found ..., expected ...".
[[noreturn]] void wrong_value(const ConfigPlace& place, const nlohmann::json& value, const Option& option);

std::string in_quotes(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string_view> split_choices(std::string_view choices);
/// A limit of an option in its own unit: `65535`, `1m`, `64KiB`.
std::string limit_text(OptionKind kind, std::int64_t limit);
/// ` from 0 to 65535`, ` of at least 1`, or nothing.
std::string range_text(const Option& option);

/// The user's values checked and in one form each (durations in ms, sizes in bytes, lists as arrays), with defaults.
nlohmann::json normalise(const nlohmann::json& value, OptionTable table, const ConfigPlace& place);
/// The defaults alone, in the same form.
nlohmann::json normalised_defaults(OptionTable table, const ConfigPlace& place);
/// The default as the table writes it. Throws `std::logic_error` if it is no JSON.
nlohmann::json fallback_of(const Option& option);

}  // namespace ferry::spi::detail
