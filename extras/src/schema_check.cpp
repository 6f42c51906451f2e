#include "schema_check.hpp"

#include <functional>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ferry::detail {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

/// What stands there is data, and no schema.
bool is_data(std::string_view member) { return member == "const" || member == "enum" || member == "default" || member == "examples"; }

/// Calls `see` with every object that may be a schema, and where it is.
void for_each_object(const json& value, const Pointer& place, const std::function<void(const json&, const Pointer&)>& see) {
  if (value.is_object()) see(value, place);
  if (!value.is_structured()) return;
  for (const auto& [key, member] : value.items()) {
    if (value.is_object() && is_data(key)) continue;
    for_each_object(member, value.is_array() ? place / static_cast<std::size_t>(std::stoul(key)) : place / key, see);
  }
}

[[noreturn]] void refuse(const Pointer& place, const std::string& why) {
  const std::string where = place.to_string();
  throw std::invalid_argument("ferry: the JSON schema" + (where.empty() ? "" : " at " + where) + ": " + why);
}

void check_expression(const std::string& text, const Pointer& place) {
  try {
    static_cast<void>(std::regex(text));
  } catch (const std::regex_error& error) {
    refuse(place, '"' + text + "\" is no regular expression: " + error.what());
  }
}

/// Follows what applies to the same value: `$ref` within the schema, and the parts of `allOf` and the like.
class Loops {
 public:
  explicit Loops(const json& root) : root_(root) {}

  void visit(const Pointer& place) {
    const std::string name = place.to_string();
    if (done_.contains(name)) return;
    if (!under_way_.insert(name).second) refuse(place, "a $ref leads back to itself");
    const json& here = root_.at(place);
    if (here.is_object()) {
      follow_reference(here, place);
      for (const char* const member : {"allOf", "anyOf", "oneOf"}) {
        const auto parts = here.find(member);
        for (std::size_t i = 0; parts != here.end() && parts->is_array() && i < parts->size(); ++i) visit(place / member / i);
      }
      for (const char* const member : {"not", "if", "then", "else"}) {
        if (here.contains(member)) visit(place / member);
      }
    }
    under_way_.erase(name);
    done_.insert(name);
  }

 private:
  void follow_reference(const json& here, const Pointer& place) {
    const auto reference = here.find("$ref");
    if (reference == here.end() || !reference->is_string()) return;
    const std::string text = reference->get<std::string>();
    if (!text.starts_with('#')) return;   // the library refuses it, or knows it by its $id
    Pointer target;
    try {
      target = Pointer(text.substr(1));
    } catch (const json::exception&) {
      return;   // a name by $id
    }
    if (!root_.contains(target)) refuse(place, "the $ref " + text + " leads nowhere");
    visit(target);
  }

  const json& root_;
  std::set<std::string> under_way_;
  std::set<std::string> done_;
};

}  // namespace

void check_schema(const json& schema) {
  if (!schema.is_object() && !schema.is_boolean()) refuse(Pointer(), "it is neither an object nor a boolean");
  Loops loops(schema);
  for_each_object(schema, Pointer(), [&loops](const json& object, const Pointer& place) {
    loops.visit(place);
    const auto pattern = object.find("pattern");
    if (pattern != object.end() && pattern->is_string()) check_expression(pattern->get<std::string>(), place / "pattern");
    const auto properties = object.find("patternProperties");
    if (properties == object.end() || !properties->is_object()) return;
    for (const auto& property : properties->items()) check_expression(property.key(), place / "patternProperties");
  });
}

bool uses_regular_expressions(const json& schema) {
  bool found = false;
  for_each_object(schema, Pointer(), [&found](const json& object, const Pointer&) {
    found = found || object.contains("pattern") || object.contains("patternProperties") || object.contains("format");
  });
  return found;
}

}  // namespace ferry::detail
