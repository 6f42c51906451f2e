#include "transports/mqtt/topic.hpp"

#include "transports/mqtt/bytes.hpp"

namespace ferry::mqtt {
namespace {

constexpr std::string_view share = "$share/";

/// Takes a level off the front; false if there is none left.
bool next_level(std::string_view& rest, bool& more, std::string_view& level) noexcept {
  if (!more) return false;
  const std::size_t slash = rest.find('/');
  level = rest.substr(0, slash);
  more = slash != std::string_view::npos;
  rest = more ? rest.substr(slash + 1) : std::string_view();
  return true;
}

}  // namespace

bool is_topic(std::string_view name) noexcept { return !name.empty() && !has_wildcard(name) && is_text(name); }

bool has_wildcard(std::string_view filter) noexcept { return filter.find_first_of("+#") != std::string_view::npos; }

SharedFilter split_shared(std::string_view filter) noexcept {
  if (!filter.starts_with(share)) return {{}, filter};
  const std::string_view rest = filter.substr(share.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return {rest, {}};
  return {rest.substr(0, slash), rest.substr(slash + 1)};
}

bool is_filter(std::string_view filter) noexcept {
  if (!is_text(filter)) return false;
  const SharedFilter parts = split_shared(filter);
  if (parts.filter.empty()) return false;
  if (filter.starts_with(share) && (parts.group.empty() || has_wildcard(parts.group))) return false;
  std::string_view rest = parts.filter;
  std::string_view level;
  for (bool more = true; next_level(rest, more, level);) {
    if (level == "#") return !more;
    if (level != "+" && has_wildcard(level)) return false;
  }
  return true;
}

bool matches(std::string_view filter, std::string_view topic) noexcept {
  if (topic.starts_with('$') && !filter.empty() && (filter.front() == '+' || filter.front() == '#')) return false;
  bool more_filter = true;
  bool more_topic = true;
  std::string_view wanted;
  std::string_view level;
  while (next_level(filter, more_filter, wanted)) {
    if (wanted == "#") return true;   // the level above as well
    if (!next_level(topic, more_topic, level)) return false;
    if (wanted != "+" && wanted != level) return false;
  }
  return !more_topic;
}

}  // namespace ferry::mqtt
