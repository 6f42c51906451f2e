// Pattern → route, and received text → the key that is looked up. NestJS's rules, its limits included.
//
// One pass, with no tree: what a peer sends as a pattern may be as large as a message.

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "ferry/detail/json_value.hpp"
#include "ferry/pattern.hpp"

namespace ferry::detail {
namespace {

using Type = JsonReader::Type;

constexpr int max_depth = 5;             // @nestjs/microservices 12: MAX_DEPTH
constexpr std::size_t max_members = 20;  // and MAX_KEYS of its pattern normaliser

struct Member {
  std::string key;
  std::string route;
};

void append_escaped(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;   // everything else stays raw, control characters too
  }
  out += '"';
}

bool append_route(JsonReader& reader, std::string& out, int depth);

/// The last of equal keys wins. One member more than may be is kept, to tell that there are too many.
bool read_member(JsonReader& reader, std::vector<Member>& members, std::string key, int depth) {
  auto member = std::find_if(members.begin(), members.end(), [&](const Member& other) { return other.key == key; });
  if (member == members.end()) {
    if (members.size() > max_members) return reader.skip_value();
    members.push_back({std::move(key), {}});
    member = std::prev(members.end());
  }
  member->route.clear();
  return append_route(reader, member->route, depth + 1);
}

bool read_object(JsonReader& reader, std::vector<Member>& members, int depth) {
  bool first = true;
  bool escaped = false;
  std::string_view raw;
  if (!reader.begin_object()) return false;
  while (reader.next_member(first, raw, escaped)) {
    std::string key;
    unescape_json(raw, key);
    if (!read_member(reader, members, std::move(key), depth)) return false;
  }
  return reader.ok();
}

bool read_array(JsonReader& reader, std::vector<Member>& members, int depth) {
  bool first = true;
  if (!reader.begin_array()) return false;
  for (std::size_t i = 0; reader.next_element(first); ++i) {
    if (!read_member(reader, members, std::to_string(i), depth)) return false;
  }
  return reader.ok();
}

/// Of keys that collate equal, array indices come first: so ECMAScript lists them, and the sort is stable.
bool comes_before(const Member& a, const Member& b) {
  const int order = compare_keys(a.key, b.key);
  return order != 0 ? order < 0 : is_index_key(a.key) && !is_index_key(b.key);
}

bool append_structure(JsonReader& reader, std::string& out, int depth) {
  if (depth > max_depth) {
    out += "[MAX_DEPTH_REACHED]";
    return reader.skip_value();
  }
  std::vector<Member> members;
  const bool read = reader.peek() == Type::array ? read_array(reader, members, depth) : read_object(reader, members, depth);
  if (!read) return false;
  if (members.size() > max_members) {
    out += "[TOO_MANY_KEYS]";
    return true;
  }
  std::stable_sort(members.begin(), members.end(), comes_before);
  char separator = '{';
  for (const auto& [key, route] : members) {
    out += separator;
    append_escaped(out, key);
    out.append(":").append(route);
    separator = ',';
  }
  out += members.empty() ? "{}" : "}";
  return true;
}

bool append_route(JsonReader& reader, std::string& out, int depth) {
  switch (reader.peek()) {
    case Type::array:
    case Type::object: return append_structure(reader, out, depth);
    case Type::string: {
      std::string text;
      if (!reader.read_string(text)) return false;
      append_escaped(out, text);
      return true;
    }
    case Type::number: {
      std::string_view token;
      if (!reader.read_number(token)) return false;
      append_json_number(out, to_double(token));   // ECMAScript has one kind of number
      return true;
    }
    default: {
      std::string_view word;
      if (!reader.skip_value(word)) return false;
      out += word;
      return true;
    }
  }
}

}  // namespace

Route route_of_json(std::string_view json) {
  JsonReader reader(json);
  const Type type = reader.peek();
  Route route;
  const bool string = type == Type::string;
  const bool read = string ? reader.read_string(route.text) : append_route(reader, route.text, 0);
  // Booleans and null are not equal to any key; nor is a number that no double holds, which JSON.stringify makes null.
  const bool key = string || (type != Type::boolean && type != Type::null && route.text != "null");
  route.ok = read && key && reader.at_end();
  if (!route.ok) route.text.clear();
  return route;
}

Route lookup_key(std::string_view text) {
  if (is_json(text)) return route_of_json(text);
  return {true, std::string(text)};
}

}  // namespace ferry::detail
