#include "router.hpp"

#include <algorithm>

#include "ferry/detail/json_reader.hpp"

namespace ferry::detail {

void Router::add(const Registration& registration) {
  const std::string& route = registration.pattern.route();
  auto& slot = routes_[route];
  if (slot == nullptr) {
    entries_.push_back(std::make_unique<RouteEntry>());
    slot = entries_.back().get();
    slot->route = route;
  }
  if (registration.event) {
    slot->events.push_back(registration.handler);
  } else {
    slot->message = registration.handler;
  }
  if (!registration.extras.is_null()) extras_[route] = registration.extras;
  // Only spellings that lead to the same key the long way round may take the short one.
  for (const std::string& spelling : {registration.pattern.json(), route}) {
    if (!registration.pattern.is_object()) break;
    const Route key = route_of_json(spelling);
    if (key.ok && key.text == route) spellings_[spelling] = slot;
  }
}

const RouteEntry* Router::by_route(std::string_view route) const {
  const auto found = routes_.find(route);
  return found == routes_.end() ? nullptr : found->second;
}

const RouteEntry* Router::find(const spi::RequestView& view) const {
  using Form = spi::RequestView::PatternForm;
  if (view.pattern_form == Form::absent) return nullptr;
  if (view.pattern_form == Form::json) {
    const auto known = spellings_.find(view.pattern);
    if (known != spellings_.end()) return known->second;
    JsonReader reader(view.pattern);
    if (reader.peek() == JsonReader::Type::string) {
      std::string text;
      if (!reader.read_string(text)) return nullptr;
      const Route key = lookup_key(text);
      return key.ok ? by_route(key.text) : nullptr;
    }
    const Route key = route_of_json(view.pattern);
    return key.ok ? by_route(key.text) : nullptr;
  }
  // Text that cannot be JSON is its own key, and most is.
  const char first = view.pattern.empty() ? 'x' : view.pattern.front();
  if ((first >= 'a' && first <= 'z' && first != 't' && first != 'f' && first != 'n') || (first >= 'A' && first <= 'Z')) {
    return by_route(view.pattern);
  }
  const auto known = spellings_.find(view.pattern);
  if (known != spellings_.end()) return known->second;
  const Route key = lookup_key(view.pattern);
  return key.ok ? by_route(key.text) : nullptr;
}

std::vector<spi::Subscription> Router::subscriptions() const {
  std::vector<spi::Subscription> all;
  for (const auto& entry : entries_) {
    const auto extras = extras_.find(entry->route);
    spi::Subscription one{entry->route, entry->message == nullptr, extras == extras_.end() ? nlohmann::json() : extras->second};
    if (entry->message) {
      one.request_stream = entry->message->reads_stream;
      one.reply_stream = entry->message->writes_stream;
      one.request_type = entry->message->request_type;
      one.reply_type = entry->message->reply_type;
    } else {
      for (const auto& handler : entry->events) {
        one.batch = std::max(one.batch, handler->batch);
        if (one.request_type.empty()) one.request_type = handler->request_type;
      }
    }
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<std::string> Router::unreachable() const {
  std::vector<std::string> all;
  for (const auto& entry : entries_) {
    const Route key = lookup_key(entry->route);
    if (!key.ok || key.text != entry->route) all.push_back(entry->route);
  }
  return all;
}

}  // namespace ferry::detail
