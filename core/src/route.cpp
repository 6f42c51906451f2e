// Pattern → route, and received text → the key that is looked up. NestJS's rules, its limits included.

#include <algorithm>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"
#include "ferry/pattern.hpp"

namespace ferry::detail {
namespace {

using Tree = nlohmann::ordered_json;

constexpr int max_depth = 5;             // @nestjs/microservices 12: MAX_DEPTH
constexpr std::size_t max_members = 20;  // and MAX_KEYS of its pattern normaliser

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;   // everything else stays raw, control characters too
  }
}

void append_route(std::string& out, const Tree& value, int depth);

void append_member(std::string& out, std::string_view key, const Tree& value, int depth) {
  if (out.back() != '{') out += ',';
  out += '"';
  append_escaped(out, key);
  out += "\":";
  append_route(out, value, depth + 1);
}

void append_object(std::string& out, const Tree& value, int depth) {
  if (depth > max_depth) {
    out += "[MAX_DEPTH_REACHED]";
    return;
  }
  if (value.size() > max_members) {
    out += "[TOO_MANY_KEYS]";
    return;
  }
  std::vector<std::pair<std::string, const Tree*>> members;
  for (auto it = value.begin(); it != value.end(); ++it) {
    members.emplace_back(value.is_array() ? std::to_string(members.size()) : it.key(), &it.value());
  }
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return compare_keys(a.first, b.first) < 0; });
  out += '{';
  for (const auto& [key, member] : members) append_member(out, key, *member, depth);
  out += '}';
}

void append_route(std::string& out, const Tree& value, int depth) {
  if (value.is_structured()) return append_object(out, value, depth);
  if (value.is_string()) {
    out += '"';
    append_escaped(out, value.get_ref<const std::string&>());
    out += '"';
  } else if (value.is_number()) {
    append_json_number(out, value.get<double>());   // ECMAScript has one kind of number
  } else {
    write_dom(out, value);
  }
}

}  // namespace

Route route_of_json(std::string_view json) {
  JsonReader reader(json);
  Tree value;
  if (!read_dom(reader, value) || !reader.at_end()) return {};
  Route route{true, {}};
  if (value.is_string()) {
    route.text = value.get<std::string>();
  } else if (value.is_number() || value.is_structured()) {
    append_route(route.text, value, 0);
  } else {
    route.ok = false;   // booleans and null are not equal to any key
  }
  return route;
}

Route lookup_key(std::string_view text) {
  if (is_json(text)) return route_of_json(text);
  return {true, std::string(text)};
}

}  // namespace ferry::detail
