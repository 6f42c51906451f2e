// Durations and sizes. Integers throughout: 1.1s is 1100 ms, where doubles would make it 1100.0000000000002.

#include <array>
#include <charconv>
#include <optional>

#include "options_detail.hpp"

namespace ferry::spi {
namespace {

using nlohmann::json;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array<Unit, 5> duration_units{{{"", 1}, {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr std::array<Unit, 9> size_units{{{"", 1},
                                          {"B", 1},
                                          {"KiB", 1 << 10},
                                          {"MiB", 1 << 20},
                                          {"GiB", 1 << 30},
                                          {"KB", 1'000},
                                          {"kB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000}}};

struct Decimal {
  std::int64_t whole = 0;
  std::int64_t fraction = 0;  // in units of 1e-9
};

std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// Takes "12" or "12.345" off the front of `text`. Nine decimals: times the largest unit they still fit 64 bits. A whole
// part that does not fit is as large as possible, so that the error can say "too large" instead of "no number".
std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal result;
  const std::string_view whole = take_digits(text);
  if (whole.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), result.whole);
  if (error == std::errc::result_out_of_range) result.whole = detail::no_max;
  if (!text.starts_with('.')) return result;
  text.remove_prefix(1);
  const std::string_view decimals = take_digits(text);
  if (decimals.empty() || decimals.size() > 9) return std::nullopt;
  std::from_chars(decimals.data(), decimals.data() + decimals.size(), result.fraction);
  for (std::size_t i = decimals.size(); i < 9; ++i) result.fraction *= 10;
  return result;
}

std::int64_t scaled(const Decimal& decimal, std::int64_t factor) {
  constexpr std::int64_t one = 1'000'000'000;
  const std::int64_t rest = (decimal.fraction * factor + one - 1) / one;  // up: a tiny timeout must not become none
  if (decimal.whole > (detail::no_max - rest) / factor) return detail::no_max;
  return decimal.whole * factor + rest;
}

std::optional<std::int64_t> parse_units(std::string_view text, std::span<const Unit> units) {
  const auto decimal = take_decimal(text);
  if (!decimal) return std::nullopt;
  while (text.starts_with(' ')) text.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name == text) return scaled(*decimal, unit.factor);
  }
  return std::nullopt;
}

std::int64_t parse_value(const json& value, OptionKind kind, std::span<const Unit> units, std::int64_t limit,
                         const ConfigPlace& place) {
  std::optional<std::int64_t> result;
  if (value.is_string()) result = parse_units(value.get_ref<const std::string&>(), units);
  if (value.is_number()) result = parse_units(value.dump(), units);
  Option wanted{.name = {}, .kind = kind};
  if (!result) detail::wrong_value(place, value, wanted);
  wanted.max = limit;
  if (*result > limit) detail::wrong_value(place, value, wanted);
  return *result;
}

}  // namespace

std::chrono::milliseconds parse_duration(const json& value, const ConfigPlace& place) {
  return std::chrono::milliseconds(
      parse_value(value, OptionKind::duration, duration_units, detail::longest_duration_ms, place));
}

std::size_t parse_size(const json& value, const ConfigPlace& place) {
  return static_cast<std::size_t>(parse_value(value, OptionKind::size, size_units, detail::largest_size_bytes, place));
}

}  // namespace ferry::spi
