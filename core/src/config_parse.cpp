#include <algorithm>
#include <set>
#include <vector>

#include "config_detail.hpp"
#include "ferry/spi/options.hpp"

namespace ferry::detail {
namespace {

using nlohmann::json;
using spi::ConfigPlace;

[[noreturn]] void too_deep(const ConfigPlace& place) {
  spi::config_error(place, "nested deeper than " + std::to_string(max_config_levels) + " levels", {});
}

// Follows the parser to see what the finished document no longer shows: keys that appeared twice.
class Watcher {
 public:
  explicit Watcher(const std::string& file) : file_(file) {}

  void on(json::parse_event_t event, const json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start: enter(false); break;
      case json::parse_event_t::array_start: enter(true); break;
      case json::parse_event_t::key: on_key(parsed.get_ref<const std::string&>()); break;
      case json::parse_event_t::value: count_element(); break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end: levels_.pop_back(); break;
    }
  }

 private:
  struct Level {
    bool is_array = false;
    std::size_t elements = 0;
    std::string key;  // the last one seen
    std::set<std::string> keys;
  };

  void count_element() {
    if (!levels_.empty() && levels_.back().is_array) ++levels_.back().elements;
  }

  void enter(bool is_array) {
    count_element();
    if (levels_.size() >= max_config_levels) too_deep(place());
    levels_.emplace_back().is_array = is_array;
  }

  void on_key(const std::string& key) {
    Level& level = levels_.back();
    level.key = key;
    if (level.keys.insert(key).second) return;
    const std::string text = json(key).dump(-1, ' ', false, json::error_handler_t::replace);
    spi::config_error(place(), "key " + text + " appears twice in one object",
                      "remove one: JSON would silently keep the last");
  }

  ConfigPlace place() const {
    ConfigPlace result{file_, {}};
    for (const Level& level : levels_) {
      result = level.is_array ? result.element(level.elements - 1) : result.member(level.key);
    }
    return result;
  }

  const std::string& file_;
  std::vector<Level> levels_;
};

// The words behind nlohmann's "[json.exception...] parse error at line 1, column 2: "; all, if it speaks otherwise.
std::string reason_of(const json::exception& error) {
  constexpr std::size_t most = 300;  // it quotes the last token, which may be the whole rest of the file
  std::string text = error.what();
  for (const char* const start : {"syntax error", "] "}) {
    const std::size_t at = text.find(start);
    if (at == std::string::npos) continue;
    text.erase(0, at + (*start == ']' ? 2 : 0));
    break;
  }
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

std::string line_and_column(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " + std::to_string(at - line_start + 1) + ": ";
}

[[noreturn]] void syntax_error(std::string_view text, const json::parse_error& error, const std::string& file) {
  const std::size_t at = std::min(text.size(), error.byte == 0 ? 0 : error.byte - 1);  // of the byte that did not fit
  const std::string_view before = text.substr(0, at);
  const std::size_t last = before.find_last_not_of(" \t\r\n");
  const bool closes = at < text.size() && (text[at] == '}' || text[at] == ']');
  const bool trailing_comma = closes && last != std::string_view::npos && before[last] == ',';
  spi::config_error({file, {}}, line_and_column(text, at) + reason_of(error),
                    trailing_comma ? "remove the comma before it" : "");
}

void check_levels(const json& value, const ConfigPlace& place, std::size_t left) {
  if (!value.is_structured()) return;
  if (left == 0) too_deep(place);
  std::size_t index = 0;
  for (const auto& [key, member] : value.items()) {
    const std::size_t i = index++;
    if (member.is_structured()) check_levels(member, value.is_array() ? place.element(i) : place.member(key), left - 1);
  }
}

}  // namespace

json parse_config_text(std::string_view text, const std::string& file) {
  // nlohmann takes it for the end, and would ignore what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    spi::config_error({file, {}}, line_and_column(text, nul) + "a NUL character", {});
  }
  Watcher watcher(file);
  const auto watch = [&](int, json::parse_event_t event, json& parsed) {
    watcher.on(event, parsed);
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch, true, true);
  } catch (const json::parse_error& error) {
    syntax_error(text, error, file);
  } catch (const json::exception& error) {  // a number like 1e999
    spi::config_error({file, {}}, reason_of(error), {});
  }
}

void check_config_shape(const json& root, const std::string& file) {
  if (!root.is_object()) {
    spi::config_error({file, {}}, std::string("found ") + root.type_name() + " at the top, expected an object",
                      R"(a config looks like { "services": { ... }, "clients": { ... } })");
  }
  check_levels(root, {file, {}}, max_config_levels);
}

}  // namespace ferry::detail
