// Options: durations and sizes as people write them, values checked against a table, and the nearest name.

#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/options.hpp"
#include "options_detail.hpp"
#include "target.hpp"

namespace ferry::fuzz {
namespace {

using nlohmann::json;
using spi::Option;
using spi::OptionKind;

const spi::ConfigPlace place{"input.json", "/options"};

constexpr Option members[] = {{"inner", OptionKind::integer, "5", "", 0, 9}, {"text", OptionKind::string}};
constexpr Option table[] = {
    {"boolean", OptionKind::boolean, "true"},
    {"integer", OptionKind::integer, "7", "", -10, 10},
    {"number", OptionKind::number, "1.5", "", -10, 10},
    {"string", OptionKind::string, "\"x\""},
    {.name = "choice", .kind = OptionKind::string, .choices = "debug|info|warn"},
    {"duration", OptionKind::duration, "\"2s\"", "", 1},
    {"size", OptionKind::size, "\"64KiB\"", "", 1},
    {"strings", OptionKind::strings},
    {.name = "object", .kind = OptionKind::object, .members = members},
    {"map", OptionKind::map_of_strings},
    {"any", OptionKind::any},
};

struct Unit {
  std::string_view name;
  long double factor;
};
constexpr std::array<Unit, 5> duration_units{{{"", 1}, {"ms", 1}, {"s", 1e3L}, {"m", 60e3L}, {"h", 3600e3L}}};
constexpr std::array<Unit, 9> size_units{{{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824},
                                          {"KB", 1e3L}, {"kB", 1e3L}, {"MB", 1e6L}, {"GB", 1e9L}}};

template <class F>
std::optional<std::int64_t> value_of(F parse, const json& value) {
  try {
    return static_cast<std::int64_t>(parse(value, place));
  } catch (const ConfigError& error) {
    FUZZ_CHECK(std::string_view(error.what()).find("input.json: /options: found ") != std::string_view::npos);
    return std::nullopt;
  }
}

std::int64_t duration(const json& value, const spi::ConfigPlace& where) { return spi::parse_duration(value, where).count(); }
std::size_t size(const json& value, const spi::ConfigPlace& where) { return spi::parse_size(value, where); }

/// Digits, perhaps a fraction, perhaps spaces, a unit: as much as the digits say, rounded up.
template <class F>
void check_amount(std::string_view text, OptionKind kind, F parse, std::span<const Unit> units) {
  const auto parsed = value_of(parse, json(text));
  if (!parsed) return;
  FUZZ_CHECK(*parsed >= 0);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view name = text.substr(digits);
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  long double factor = 0;
  for (const Unit& unit : units) {
    if (unit.name == name) factor = unit.factor;
  }
  FUZZ_CHECK(digits != 0 && factor != 0);
  const long double exact = std::strtold(std::string(text.substr(0, digits)).c_str(), nullptr) * factor;
  FUZZ_CHECK(std::fabs(static_cast<long double>(*parsed) - std::ceil(exact)) <= 1);
  FUZZ_CHECK(exact == 0 || *parsed > 0);   // a tiny timeout is not none
  FUZZ_CHECK(value_of(parse, json(*parsed)) == parsed);
  FUZZ_CHECK(value_of(parse, json(spi::detail::limit_text(kind, *parsed))) == parsed);
}

void check_nearest(std::string_view word) {
  constexpr std::array<std::string_view, 4> names{"port", "host", "retryAttempts", ""};
  const std::string_view nearest = spi::nearest_name(word, names);
  FUZZ_CHECK(nearest.empty() || std::find(names.begin(), names.end(), nearest) != names.end());
  for (const std::string_view name : {names[0], names[1], names[2]}) {
    FUZZ_CHECK(word != name || nearest == name);
  }
}

/// A boolean or number as the user wrote it, perhaps in quotes.
json scalar_of(const json& given) {
  if (!given.is_string()) return given;
  const auto& text = given.get_ref<const std::string&>();
  return text.find('\0') == text.npos ? json::parse(text, nullptr, false) : json();
}

void check_given(const json& given, const spi::Options& options) {
  if (given.contains("boolean")) FUZZ_CHECK(scalar_of(given["boolean"]) == options.boolean("boolean"));
  if (given.contains("integer")) FUZZ_CHECK(scalar_of(given["integer"]) == options.integer("integer"));
  if (given.contains("number")) FUZZ_CHECK(scalar_of(given["number"]) == options.number("number"));
  if (given.contains("string")) FUZZ_CHECK(given["string"] == options.string("string"));
  if (given.contains("duration")) FUZZ_CHECK(value_of(duration, given["duration"]) == options.duration("duration").count());
  if (given.contains("size")) FUZZ_CHECK(value_of(size, given["size"]) == static_cast<std::int64_t>(options.size("size")));
  if (given.contains("map")) FUZZ_CHECK(given["map"] == json(options.map_of_strings("map")));
  if (given.contains("any")) FUZZ_CHECK(given["any"] == options.any("any"));
  if (given.contains("strings")) {
    const json list = given["strings"].is_string() ? json::array({given["strings"]}) : given["strings"];
    FUZZ_CHECK(list == json(options.strings("strings")));
  }
}

void check_table(const json& given) {
  try {
    const spi::Options options = spi::Options::parse(given, table, place);
    FUZZ_CHECK(given.is_object() || given.is_null());
    if (given.is_object()) check_given(given, options);
    const std::int64_t integer = options.integer("integer");
    FUZZ_CHECK(integer >= -10 && integer <= 10 && std::fabs(options.number("number")) <= 10);
    FUZZ_CHECK(options.duration("duration").count() >= 1 && options.size("size") >= 1);
    const std::int64_t inner = options.object("object").integer("inner");
    FUZZ_CHECK(inner >= 0 && inner <= 9);
    const std::string choice = options.string("choice");
    FUZZ_CHECK(choice.empty() || choice == "debug" || choice == "info" || choice == "warn");
  } catch (const ConfigError& error) {
    FUZZ_CHECK(std::string_view(error.what()).find("input.json: /options") != std::string_view::npos);
  }
}

}  // namespace

void run(std::string_view input) {
  check_amount(input, OptionKind::duration, duration, duration_units);
  check_amount(input, OptionKind::size, size, size_units);
  check_nearest(input);
  const json given = json::parse(input, nullptr, false);
  if (!given.is_discarded()) check_table(given);
}

}  // namespace ferry::fuzz
