// The table for editors (JSON Schema) and for people (Markdown).

#include "options_detail.hpp"

namespace ferry::spi {
namespace {

using nlohmann::json;
using detail::no_max;
using detail::no_min;

// Patterns of the strings the parser takes where it wants something else; JSON Schema applies them to strings only. What
// a variable expands to is not known here, so a "${" anywhere is taken.
constexpr const char* variable_or_boolean = R"(^(\s*(true|false)\s*|.*\$\{.*)$)";
constexpr const char* variable_or_number = R"(^(\s*-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\s*|.*\$\{.*)$)";
constexpr const char* variable_or_duration = R"(^([0-9]+(\.[0-9]{1,9})? *(ms|s|m|h)?|.*\$\{.*)$)";
constexpr const char* variable_or_size = R"(^([0-9]+(\.[0-9]{1,9})? *(B|KiB|MiB|GiB|KB|kB|MB|GB)?|.*\$\{.*)$)";

json numeric(const char* type, const char* pattern, const Option& option) {
  json schema{{"type", {type, "string"}}, {"pattern", pattern}};
  if (option.min != no_min) schema["minimum"] = option.min;
  if (option.max != no_max) schema["maximum"] = option.max;
  return schema;
}

json amount(const char* pattern, const Option& option, std::int64_t largest) {
  json schema = numeric("number", pattern, option);
  if (option.min == no_min) schema["minimum"] = 0;
  if (option.max == no_max) schema["maximum"] = largest;
  return schema;
}

json string_schema(std::string_view choices) {
  if (choices.empty()) return {{"type", "string"}};
  json allowed{{"enum", detail::split_choices(choices)}};
  json variable{{"pattern", R"(\$\{)"}};
  return {{"type", "string"}, {"anyOf", json::array({std::move(allowed), std::move(variable)})}};
}

json strings_schema(const Option& option) {
  json schema = string_schema(option.choices);
  schema["type"] = {"array", "string"};
  schema["items"] = string_schema(option.choices);
  if (!option.choices.empty()) schema["anyOf"].push_back({{"type", "array"}});
  return schema;
}

json schema_of(const Option& option) {
  switch (option.kind) {
    case OptionKind::boolean: return {{"type", {"boolean", "string"}}, {"pattern", variable_or_boolean}};
    case OptionKind::integer: return numeric("integer", variable_or_number, option);
    case OptionKind::number: return numeric("number", variable_or_number, option);
    case OptionKind::string: return string_schema(option.choices);
    case OptionKind::duration: return amount(variable_or_duration, option, detail::longest_duration_ms);
    case OptionKind::size: return amount(variable_or_size, option, detail::largest_size_bytes);
    case OptionKind::strings: return strings_schema(option);
    case OptionKind::object: return to_json_schema(option.members);
    case OptionKind::map_of_strings: return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    case OptionKind::any: break;
  }
  return json::object();
}

std::string kind_text(const Option& option) {
  const std::string range = detail::range_text(option);
  switch (option.kind) {
    case OptionKind::boolean: return "boolean";
    case OptionKind::integer: return "integer" + range;
    case OptionKind::number: return "number" + range;
    case OptionKind::string: return option.choices.empty() ? "string" : detail::expected(option);
    case OptionKind::duration: return "duration" + range;
    case OptionKind::size: return "size" + range;
    case OptionKind::strings: return option.choices.empty() ? "strings" : detail::expected(option);
    case OptionKind::object: return "object";
    case OptionKind::map_of_strings: return "object of strings";
    case OptionKind::any: break;
  }
  return "any JSON";
}

// A bar would end the cell, also inside backticks.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

std::string default_text(const Option& option) {
  if (option.required) return "required";
  return option.fallback.empty() ? std::string{} : '`' + std::string(option.fallback) + '`';
}

void add_rows(std::string& text, OptionTable table, const std::string& prefix) {
  for (const Option& option : table) {
    const std::string name = prefix + std::string(option.name);
    text += "| `" + cell(name) + "` | " + cell(kind_text(option)) + " | " + cell(default_text(option)) + " | " +
            cell(option.doc) + " |\n";
    add_rows(text, option.members, name + '.');
  }
}

}  // namespace

json to_json_schema(OptionTable table) {
  json schema{{"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}};
  json required = json::array();
  for (const Option& option : table) {
    json& property = schema["properties"][std::string(option.name)] = schema_of(option);
    if (!option.doc.empty()) property["description"] = option.doc;
    if (!option.fallback.empty()) property["default"] = detail::fallback_of(option);
    if (option.required) required.push_back(option.name);
  }
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

std::string to_markdown(OptionTable table) {
  std::string text = "| Option | Type | Default | What it does |\n| --- | --- | --- | --- |\n";
  add_rows(text, table, {});
  return text;
}

}  // namespace ferry::spi
