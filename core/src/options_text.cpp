// The words of the errors about options.

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>

#include "ferry/error.hpp"
#include "options_detail.hpp"

namespace ferry::spi {
namespace {

using nlohmann::json;

struct UnitText {
  std::int64_t factor;
  std::string_view name;
};
constexpr std::array<UnitText, 4> shown_durations{{{3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}, {1, "ms"}}};
constexpr std::array<UnitText, 4> shown_sizes{{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}}};

// In the largest unit that leaves a whole number.
std::string in_units(std::int64_t value, std::span<const UnitText> units) {
  const auto fits = [&](const UnitText& unit) { return value != 0 && value % unit.factor == 0; };
  const auto unit = std::find_if(units.begin(), units.end(), fits);
  const UnitText& chosen = unit == units.end() ? units.back() : *unit;
  return std::to_string(value / chosen.factor).append(chosen.name);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// Optimal string alignment: Levenshtein, with a swap of neighbours as one step. Three rows are all it looks back on.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({replaced, previous[j] + 1, current[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::string choices_text(std::string_view choices) {
  std::vector<std::string> words;
  for (const std::string_view choice : detail::split_choices(choices)) words.push_back(detail::in_quotes(choice));
  return (words.size() == 1 ? "" : "one of ") + detail::join(words, ", ");
}

std::string cut(std::string text) {
  constexpr std::size_t most = 80;  // enough to recognise a value by, too little to fill a log with
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // never inside a UTF-8 sequence
  text.resize(end);
  return text + "...";
}

}  // namespace

void config_error(const ConfigPlace& place, std::string_view found, std::string_view advice) {
  std::string text = place.text() + ": ";
  text.append(found);
  if (!advice.empty()) text.append("; ").append(advice);
  throw ConfigError(errc::bad_config, std::move(text), Fate::not_sent);
}

std::string_view nearest_name(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string wanted = lower(word);
  std::size_t best = 3;
  std::string_view nearest;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > wanted.size() + 2 || wanted.size() > candidate.size() + 2) continue;
    const std::size_t distance = edit_distance(wanted, lower(candidate));
    if (distance >= best || distance * 2 >= wanted.size()) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

namespace detail {

std::string in_quotes(std::string_view text) {
  return cut(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string result;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) result.append(separator);
    result.append(part);
  }
  return result;
}

std::vector<std::string_view> split_choices(std::string_view choices) {
  std::vector<std::string_view> result;
  while (!choices.empty()) {
    const std::size_t bar = std::min(choices.find('|'), choices.size());
    result.push_back(choices.substr(0, bar));
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
  return result;
}

std::string found(const json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>()) + " (a string)";
  if (value.is_number()) return value.dump() + " (a number)";
  if (value.is_boolean()) return value.dump() + " (a boolean)";
  if (value.is_null()) return "null";
  return value.is_object() ? "an object" : value.is_array() ? "an array" : "binary data";
}

std::string limit_text(OptionKind kind, std::int64_t limit) {
  if (kind == OptionKind::duration) return in_units(limit, shown_durations);
  if (kind == OptionKind::size) return in_units(limit, shown_sizes);
  return std::to_string(limit);
}

std::string range_text(const Option& option) {
  const auto limit = [&](std::int64_t value) { return limit_text(option.kind, value); };
  const bool has_min = option.min != no_min;
  const bool has_max = option.max != no_max;
  if (has_min && has_max) return " from " + limit(option.min) + " to " + limit(option.max);
  if (has_min) return " of at least " + limit(option.min);
  if (has_max) return " of at most " + limit(option.max);
  return {};
}

std::string expected(const Option& option) {
  const bool limited = !option.choices.empty();
  switch (option.kind) {
    case OptionKind::boolean: return "true or false";
    case OptionKind::integer: return "an integer" + range_text(option);
    case OptionKind::number: return "a number" + range_text(option);
    case OptionKind::string: return limited ? choices_text(option.choices) : "a string";
    case OptionKind::duration: return R"(a duration ("250ms", "2s", "1m", "1h", or milliseconds))" + range_text(option);
    case OptionKind::size: return R"(a size ("64KiB", "1MiB", "1GiB", or bytes))" + range_text(option);
    case OptionKind::strings: return limited ? "an array of " + choices_text(option.choices) : "an array of strings";
    case OptionKind::object: return "an object";
    case OptionKind::map_of_strings: return "an object whose values are strings";
    case OptionKind::any: break;
  }
  return "any JSON";
}

void wrong_value(const ConfigPlace& place, const json& value, const Option& option) {
  config_error(place, "found " + found(value) + ", expected " + expected(option), {});
}

}  // namespace detail
}  // namespace ferry::spi
