// Patterns: from any spelling to the route, and from what is received to the handler.

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"
#include "ferry/detail/utf.hpp"
#include "ferry/error.hpp"
#include "ferry/pattern.hpp"
#include "router.hpp"
#include "target.hpp"

namespace ferry::fuzz {
namespace {

using Tree = nlohmann::ordered_json;
using detail::Route;

// ---- NestJS's normaliser, over a tree: wire-format rules 1 to 4 of routes -------------------------------------------

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return '"' + out + '"';
}

std::string reference_route(const Tree& value, int depth) {
  if (value.is_string()) return escaped(value.get_ref<const std::string&>());
  if (!value.is_structured()) {
    std::string text;
    if (value.is_number()) {
      detail::append_json_number(text, value.get<double>());
    } else {
      text = value.dump();
    }
    return text;
  }
  if (depth > 5) return "[MAX_DEPTH_REACHED]";
  if (value.size() > 20) return "[TOO_MANY_KEYS]";
  std::vector<std::pair<std::string, std::string>> members;
  for (const bool indices : {true, false}) {   // JavaScript lists keys that are array indices first
    for (const auto& [key, member] : value.items()) {
      if (detail::is_index_key(key) == indices) members.emplace_back(key, reference_route(member, depth + 1));
    }
  }
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return detail::compare_keys(a.first, b.first) < 0; });
  std::string out;
  for (const auto& [key, route] : members) out += (out.empty() ? "" : ",") + escaped(key) + ':' + route;
  return '{' + out + '}';
}

Route reference_route(std::string_view json) {
  detail::JsonReader reader(json);
  Tree tree;
  if (!detail::read_dom(reader, tree) || !reader.at_end()) return {};
  // What is no JSON number (1e999) arrives at the normaliser as JSON.stringify writes it.
  const bool ok = tree.is_string() || tree.is_structured() || (tree.is_number() && std::isfinite(tree.get<double>()));
  if (tree.is_string()) return {ok, tree.get<std::string>()};
  return {ok, ok ? reference_route(tree, 0) : std::string()};
}

// ---- checks ----------------------------------------------------------------------------------------------------------

void check_route(std::string_view text) {
  const Route route = detail::route_of_json(text);
  const Route expected = reference_route(text);
  FUZZ_CHECK(route.ok == expected.ok);
  FUZZ_CHECK(!route.ok || route.text == expected.text);
  const Route key = detail::lookup_key(text);
  if (detail::is_json(text)) {
    FUZZ_CHECK(key.ok == route.ok && key.text == route.text);
  } else {
    FUZZ_CHECK(!route.ok && key.ok && key.text == text);
  }
}

/// The pattern that a JSON text is, if it can be one; with what has to hold for it.
std::shared_ptr<const Pattern> check_pattern(std::string_view text) {
  const Route route = detail::route_of_json(text);
  std::shared_ptr<const Pattern> pattern;
  try {
    pattern = std::make_shared<const Pattern>(Pattern::from_json(text));
  } catch (const Error& error) {
    FUZZ_CHECK(error.code() == errc::bad_pattern && !route.ok);
    return nullptr;
  }
  FUZZ_CHECK(route.ok && pattern->route() == route.text);
  const Pattern again = Pattern::from_json(pattern->json());
  FUZZ_CHECK(again == *pattern && again.json() == pattern->json() && again.is_object() == pattern->is_object());
  return pattern;
}

void check_text_pattern(std::string_view text) {
  const Pattern pattern(text);
  FUZZ_CHECK(pattern.route() == text && !pattern.is_object());
  FUZZ_CHECK(Pattern::from_json(pattern.json()) == pattern);
}

/// Keys can only be sorted by an order that is one.
void check_order(std::string_view text) {
  std::array<std::string_view, 3> keys;
  for (std::string_view& key : keys) {
    key = text.substr(0, text.size() / 3 + 1);
    text.remove_prefix(key.size() < text.size() ? key.size() : text.size());
  }
  std::sort(keys.begin(), keys.end());
  do {
    const int ab = detail::compare_keys(keys[0], keys[1]);
    const int ba = detail::compare_keys(keys[1], keys[0]);
    const int bc = detail::compare_keys(keys[1], keys[2]);
    const int ac = detail::compare_keys(keys[0], keys[2]);
    FUZZ_CHECK((ab < 0) == (ba > 0) && (ab == 0) == (ba == 0));
    if (ab < 0 && bc < 0) FUZZ_CHECK(ac < 0);
    if (ab == 0 && bc == 0) FUZZ_CHECK(ac == 0);
    if (ab < 0 && bc == 0) FUZZ_CHECK(ac < 0);
  } while (std::next_permutation(keys.begin(), keys.end()));
  FUZZ_CHECK(detail::compare_keys(keys[0], keys[0]) == 0);
}

class Nobody : public detail::Handler {
 public:
  void invoke(detail::Invocation) override {}
};

const detail::RouteEntry* find(const detail::Router& router, spi::RequestView::PatternForm form, std::string_view pattern) {
  spi::RequestView view;
  view.pattern_form = form;
  view.pattern = pattern;
  return router.find(view);
}

/// Without any of the router's short cuts.
const detail::RouteEntry* find_slowly(const detail::Router& router, const Route& key) {
  for (const auto& entry : router.entries()) {
    if (key.ok && entry->route == key.text) return entry.get();
  }
  return nullptr;
}

void check_lookup(std::string_view text, const Pattern* pattern) {
  using Form = spi::RequestView::PatternForm;
  static const auto handler = std::make_shared<Nobody>();
  detail::Router router;
  for (const Pattern& known : {Pattern("sum"), Pattern(7), Pattern("7.0"), Pattern("true"), Pattern("null"), Pattern("{}"),
                               Pattern{{"cmd", "sum"}}, Pattern{{"b", 1}, {"a", 2}}, Pattern(text)}) {
    router.add({known, false, handler});
  }
  if (pattern != nullptr) router.add({*pattern, true, handler});
  FUZZ_CHECK(find(router, Form::text, text) == find_slowly(router, detail::lookup_key(text)));
  const auto unreachable = router.unreachable();
  for (const auto& entry : router.entries()) {
    const bool found = find(router, Form::text, entry->route) == entry.get();
    FUZZ_CHECK(found == (std::find(unreachable.begin(), unreachable.end(), entry->route) == unreachable.end()));
  }
  if (pattern == nullptr) return;

  detail::JsonReader reader(text);
  Route key = detail::route_of_json(text);
  if (reader.peek() == detail::JsonReader::Type::string) key = detail::lookup_key(key.text);
  FUZZ_CHECK(find(router, Form::json, text) == find_slowly(router, key));
  // Registered as an object, it is found by every spelling of it.
  if (pattern->is_object()) {
    FUZZ_CHECK(find(router, Form::json, text) != nullptr && find(router, Form::json, text)->route == pattern->route());
    FUZZ_CHECK(find(router, Form::json, pattern->json()) == find(router, Form::json, text));
  }
}

}  // namespace

void run(std::string_view input) {
  const std::string text = detail::replace_invalid_utf8(input);
  check_route(text);
  check_text_pattern(text);
  check_order(text);
  check_lookup(text, check_pattern(text).get());
}

}  // namespace ferry::fuzz
