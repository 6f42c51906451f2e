#include <algorithm>
#include <cstdlib>
#include <optional>

#include "config_detail.hpp"
#include "ferry/spi/options.hpp"

namespace ferry::detail {
namespace {

using nlohmann::json;
using spi::ConfigPlace;

struct Expression {
  std::string name;
  std::optional<std::string> fallback;
};

bool is_name(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !text.empty() && letters.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(letters_and_digits) == std::string_view::npos;
}

// `text` starts behind "${"; takes everything up to and with the "}".
Expression take_expression(std::string_view& text, const ConfigPlace& place) {
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos) spi::config_error(place, "\"${\" without \"}\"", "write $${ for a literal ${");
  const std::string_view body = text.substr(0, end);
  text.remove_prefix(end + 1);
  const std::size_t colon = body.find(":-");
  Expression result{std::string(body.substr(0, colon)), {}};
  if (colon != std::string_view::npos) result.fallback = body.substr(colon + 2);
  if (!is_name(result.name)) {
    spi::config_error(place, "\"${" + std::string(body) + "}\" names no environment variable",
                      "write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
  }
  if (result.fallback && result.fallback->find("${") != std::string::npos) {
    spi::config_error(place, "the default of ${" + result.name + "} has a \"${\" in it", "defaults are not expanded");
  }
  return result;
}

bool is_utf8(const std::string& text) {
  try {
    return !json(text).dump().empty();
  } catch (const json::exception&) {
    return false;
  }
}

std::string value_of(const Expression& expression, const ConfigPlace& place) {
  const char* const value = std::getenv(expression.name.c_str());
  const bool empty = value == nullptr || *value == '\0';
  if (empty && expression.fallback) return *expression.fallback;
  if (value == nullptr) {
    spi::config_error(place, "the environment variable " + expression.name + " is not set",
                      "set it, or give a default: ${" + expression.name + ":-default}");
  }
  std::string text(value);
  if (!is_utf8(text)) spi::config_error(place, "the environment variable " + expression.name + " is not UTF-8", {});
  return text;
}

std::string expand(std::string_view text, const ConfigPlace& place) {
  std::string result;
  while (!text.empty()) {
    const std::size_t dollar = std::min(text.find('$'), text.size());
    result.append(text.substr(0, dollar));
    text.remove_prefix(dollar);
    if (text.starts_with("$${")) {
      result.append("${");
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      text.remove_prefix(2);
      result.append(value_of(take_expression(text, place), place));
    } else if (!text.empty()) {
      result += '$';
      text.remove_prefix(1);
    }
  }
  return result;
}

// Recursion is bounded by max_config_levels.
void expand_in(json& value, const ConfigPlace& place) {
  if (value.is_string()) value = expand(value.get_ref<const std::string&>(), place);
  // Most values are not: building a place for every number of a long array would take seconds.
  const auto concerned = [](const json& member) {
    const auto* text = member.get_ptr<const std::string*>();
    return member.is_structured() || (text != nullptr && text->find("${") != std::string::npos);
  };
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (concerned(value[i])) expand_in(value[i], place.element(i));
    }
  } else if (value.is_object()) {
    for (auto& [key, member] : value.get_ref<json::object_t&>()) {
      if (concerned(member)) expand_in(member, place.member(key));
    }
  }
}

}  // namespace

void expand_variables(json& root, const std::string& file) { expand_in(root, {file, {}}); }

}  // namespace ferry::detail
