#include "transports/rmq/topic.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "ferry/pattern.hpp"

namespace ferry::rmq {
namespace {

/// Takes the first word off `text`; false if there is none left.
bool next_word(std::string_view& text, bool& more, std::string_view& word) noexcept {
  if (!more) return false;
  const std::size_t dot = text.find('.');
  word = text.substr(0, dot);
  more = dot != std::string_view::npos;
  text.remove_prefix(more ? dot + 1 : text.size());
  return true;
}

/// The pattern as NestJS looks it up: text as it is, anything else by its route.
std::string text_of_pattern(const spi::RequestView& view) {
  if (view.pattern_form == spi::RequestView::PatternForm::text) return std::string(view.pattern);
  const nlohmann::json pattern = nlohmann::json::parse(view.pattern, nullptr, false);
  if (pattern.is_string()) return pattern.get<std::string>();
  try {
    return Pattern::from_json(view.pattern).route();
  } catch (const Error&) {
    return std::string(view.pattern);   // a boolean, or null
  }
}

}  // namespace

bool topic_matches(std::string_view pattern, std::string_view text) noexcept {
  bool more_pattern = true;
  bool more_text = !text.empty();
  std::string_view part;
  std::string_view word;
  while (next_word(pattern, more_pattern, part)) {
    if (part == "#") return !more_pattern;
    if (!next_word(text, more_text, word)) return false;
    if (part != "*" && part != word) return false;
  }
  return !more_text;
}

void Topics::add(const std::string& route) {
  const bool wild = route.find_first_of("*#") != std::string::npos;
  exact_.insert(route);
  if (wild && std::find(patterns_.begin(), patterns_.end(), route) == patterns_.end()) patterns_.push_back(route);
}

const std::string* Topics::find(const spi::RequestView& view) const {
  const bool absent = view.pattern_form == spi::RequestView::PatternForm::absent;
  const std::string text = absent ? std::string() : text_of_pattern(view);
  if (!absent && exact_.contains(text)) return nullptr;
  for (const std::string& pattern : patterns_) {
    if (topic_matches(pattern, text)) return &pattern;
  }
  return nullptr;
}

}  // namespace ferry::rmq
