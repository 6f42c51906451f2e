#include "ferry/status.hpp"

#include "ferry/circuit.hpp"
#include "ferry/context.hpp"
#include "ferry/detail/json_value.hpp"

namespace ferry {

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::idle: return "idle";
    case Status::connecting: return "connecting";
    case Status::connected: return "connected";
    case Status::disconnected: return "disconnected";
    case Status::reconnecting: return "reconnecting";
    case Status::draining: return "draining";
    case Status::blocked: return "blocked";
    case Status::closed: return "closed";
  }
  return "unknown";
}

std::string_view to_string(Circuit circuit) noexcept {
  switch (circuit) {
    case Circuit::closed: return "closed";
    case Circuit::open: return "open";
    case Circuit::half_open: return "half-open";
  }
  return "unknown";
}

std::string Context::correlation_id() const {
  if (const auto id = headers().get("correlation-id")) return std::string(*id);
  const std::string_view raw = delivery_->view().id;
  detail::JsonReader reader(raw);
  std::string text;
  if (reader.peek() == detail::JsonReader::Type::string && reader.read_string(text)) return text;
  return std::string(raw);
}

}  // namespace ferry
