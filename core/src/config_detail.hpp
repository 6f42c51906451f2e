#pragma once
// The steps behind ferry::Config.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace ferry::detail {

/// Levels of objects and arrays. Code that walks a config may recurse this deep, so a config may not go deeper.
constexpr std::size_t max_config_levels = 64;

/// JSON with comments; duplicate keys and deep nesting are errors. Throws `ConfigError` naming `file`.
nlohmann::json parse_config_text(std::string_view text, const std::string& file);
/// Throws `ConfigError` unless `root` is an object of at most `max_config_levels`.
void check_config_shape(const nlohmann::json& root, const std::string& file);
/// Replaces `${NAME}` and `${NAME:-default}` in every string value. Throws `ConfigError` naming pointer and variable.
void expand_variables(nlohmann::json& root, const std::string& file);

}  // namespace ferry::detail
