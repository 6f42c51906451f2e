#include "ferry/pattern.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"
#include "ferry/error.hpp"

namespace ferry {

Pattern::Pattern(std::string json, std::string route, bool is_object)
    : json_(std::move(json)), route_(std::move(route)), is_object_(is_object) {}

Pattern::Pattern(Text text) : route_(text.text) { detail::append_json_string(json_, text.text); }

Pattern::Pattern(Number number) {
  detail::append_json_number(json_, number.value);
  route_ = json_;
}

void Pattern::assign(std::span<const PatternField> fields) {
  is_object_ = true;
  nlohmann::ordered_json members = nlohmann::ordered_json::object();
  for (const PatternField& field : fields) {
    auto& member = members[std::string(field.key)];
    switch (field.kind) {
      case PatternField::Kind::string: member = field.text; break;
      case PatternField::Kind::integer: member = field.integer; break;
      case PatternField::Kind::number: member = field.number; break;
      case PatternField::Kind::boolean: member = field.integer != 0; break;
      case PatternField::Kind::null: member = nullptr; break;
    }
  }
  detail::write_dom(json_, members);
  route_ = detail::route_of_json(json_).text;
}

Pattern Pattern::from_json(std::string_view text) {
  detail::JsonReader reader(text);
  nlohmann::ordered_json value;
  if (!detail::read_dom(reader, value) || !reader.at_end()) {
    throw Error(errc::bad_pattern, "the pattern " + std::string(text) + " is not JSON: " +
                                       (reader.ok() ? "text behind the value" : reader.fault()) +
                                       "; a plain string pattern needs no from_json", Fate::not_sent);
  }
  std::string json;
  detail::write_dom(json, value);
  detail::Route route = detail::route_of_json(json);
  if (!route.ok) {
    throw Error(errc::bad_pattern, "the pattern " + json + " cannot work on the wire; use a string, a number or an object",
                Fate::not_sent);
  }
  return Pattern(std::move(json), std::move(route.text), value.is_structured());
}

}  // namespace ferry
