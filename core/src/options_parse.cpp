// Options::parse: a table and a user's JSON become checked values in one form each.

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "ferry/error.hpp"
#include "options_detail.hpp"

namespace ferry::spi {
namespace {

using nlohmann::json;

std::vector<std::string_view> names_of(OptionTable table) {
  std::vector<std::string_view> names;
  for (const Option& option : table) names.push_back(option.name);
  return names;
}

[[noreturn]] void unknown_key(const std::string& key, OptionTable table, const ConfigPlace& place) {
  const auto names = names_of(table);
  const std::string_view nearest = nearest_name(key, names);
  std::string advice;
  if (!nearest.empty()) advice = "did you mean " + detail::in_quotes(nearest) + "? ";
  advice += names.empty() ? "No keys are known here"
                          : "Known here: " + detail::join({names.begin(), names.end()}, ", ");
  config_error(place.member(key), "unknown key " + detail::in_quotes(key), advice);
}

// What "${PORT:-3000}" expands to is a string; see Option. Anything longer than a number can be is none, and nlohmann
// would not look beyond a NUL.
json unquoted(const json& value) {
  constexpr std::size_t longest_number = 32;
  if (!value.is_string()) return value;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > longest_number || text.find('\0') != std::string::npos) return value;
  json scalar = json::parse(text, nullptr, false);
  return scalar.is_number() || scalar.is_boolean() ? scalar : value;
}

std::optional<std::int64_t> as_integer(const json& value) {
  constexpr double largest_exact = 9007199254740992.0;  // 2^53: above it a double is no certain integer
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(detail::no_max)) return {};
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return {};
  const double number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > largest_exact) return {};
  return static_cast<std::int64_t>(number);
}

bool in_range(std::int64_t value, const Option& option) { return value >= option.min && value <= option.max; }

bool in_range(double value, const Option& option) {
  return std::isfinite(value) && (option.min == detail::no_min || value >= static_cast<double>(option.min)) &&
         (option.max == detail::no_max || value <= static_cast<double>(option.max));
}

json check_boolean(const json& value, const Option& option, const ConfigPlace& place) {
  json scalar = unquoted(value);
  if (!scalar.is_boolean()) detail::wrong_value(place, value, option);
  return scalar;
}

json check_integer(const json& value, const Option& option, const ConfigPlace& place) {
  const auto integer = as_integer(unquoted(value));
  if (!integer || !in_range(*integer, option)) detail::wrong_value(place, value, option);
  return *integer;
}

json check_number(const json& value, const Option& option, const ConfigPlace& place) {
  const json scalar = unquoted(value);
  if (!scalar.is_number() || !in_range(scalar.get<double>(), option)) detail::wrong_value(place, value, option);
  return scalar.get<double>();
}

json check_string(const json& value, const Option& option, const ConfigPlace& place) {
  const Option one{.name = option.name, .kind = OptionKind::string, .choices = option.choices};
  if (!value.is_string()) detail::wrong_value(place, value, one);
  const auto choices = detail::split_choices(option.choices);
  const auto& text = value.get_ref<const std::string&>();
  if (choices.empty() || std::find(choices.begin(), choices.end(), text) != choices.end()) return value;
  const std::string_view nearest = nearest_name(text, choices);
  if (nearest.empty()) detail::wrong_value(place, value, one);
  config_error(place, "found " + detail::found(value) + ", expected " + detail::expected(one),
               "did you mean " + detail::in_quotes(nearest) + "?");
}

json check_duration(const json& value, const Option& option, const ConfigPlace& place) {
  const std::int64_t ms = parse_duration(value, place).count();
  if (!in_range(ms, option)) detail::wrong_value(place, value, option);
  return ms;
}

json check_size(const json& value, const Option& option, const ConfigPlace& place) {
  const std::size_t bytes = parse_size(value, place);
  if (!in_range(static_cast<std::int64_t>(bytes), option)) detail::wrong_value(place, value, option);
  return bytes;
}

json check_strings(const json& value, const Option& option, const ConfigPlace& place) {
  if (value.is_string()) return json::array({check_string(value, option, place)});
  if (!value.is_array()) detail::wrong_value(place, value, option);
  for (std::size_t i = 0; i < value.size(); ++i) check_string(value[i], option, place.element(i));
  return value;
}

json check_map(const json& value, const Option& option, const ConfigPlace& place) {
  if (!value.is_object()) detail::wrong_value(place, value, option);
  const Option one{.name = option.name, .kind = OptionKind::string};
  for (const auto& [name, text] : value.items()) check_string(text, one, place.member(name));
  return value;
}

json check(const json& value, const Option& option, const ConfigPlace& place) {
  switch (option.kind) {
    case OptionKind::boolean: return check_boolean(value, option, place);
    case OptionKind::integer: return check_integer(value, option, place);
    case OptionKind::number: return check_number(value, option, place);
    case OptionKind::string: return check_string(value, option, place);
    case OptionKind::duration: return check_duration(value, option, place);
    case OptionKind::size: return check_size(value, option, place);
    case OptionKind::strings: return check_strings(value, option, place);
    case OptionKind::map_of_strings: return check_map(value, option, place);
    case OptionKind::any: return value;
    case OptionKind::object: break;
  }
  if (!value.is_object()) detail::wrong_value(place, value, option);
  return detail::normalise(value, option.members, place);
}

void add_default(json& values, const Option& option, const ConfigPlace& place) {
  if (option.fallback.empty()) return;
  const std::string name(option.name);
  try {
    values[name] = check(detail::fallback_of(option), option, place.member(name));
  } catch (const ConfigError& error) {
    throw std::logic_error("the default of option \"" + name + "\" breaks its own rules: " + error.what());
  }
}

}  // namespace

namespace detail {

json fallback_of(const Option& option) {
  json value = json::parse(option.fallback, nullptr, false);
  if (!value.is_discarded()) return value;
  throw std::logic_error("the default of option \"" + std::string(option.name) +
                         "\" is no JSON: " + std::string(option.fallback));
}

json normalise(const json& value, OptionTable table, const ConfigPlace& place) {
  const auto names = names_of(table);
  for (const auto& [key, ignored] : value.items()) {
    if (std::find(names.begin(), names.end(), key) == names.end()) unknown_key(key, table, place);
  }
  json result = json::object();
  for (const Option& option : table) {
    const std::string name(option.name);
    if (const auto given = value.find(name); given != value.end()) {
      result[name] = check(*given, option, place.member(name));
    } else if (option.required) {
      config_error(place, in_quotes(name) + " is missing", "add it: " + expected(option));
    } else {
      add_default(result, option, place);
    }
  }
  return result;
}

json normalised_defaults(OptionTable table, const ConfigPlace& place) {
  json result = json::object();
  for (const Option& option : table) add_default(result, option, place);
  return result;
}

}  // namespace detail

Options Options::parse(const json& value, OptionTable table, ConfigPlace place) {
  const json given = value.is_null() ? json::object() : value;
  if (!given.is_object()) detail::wrong_value(place, value, Option{.name = {}, .kind = OptionKind::object});
  Options result;
  result.table_ = table;
  result.values_ = std::make_shared<const json>(detail::normalise(given, table, place));
  result.given_ = std::make_shared<const json>(given);
  result.place_ = std::move(place);
  return result;
}

}  // namespace ferry::spi
