#include "ferry/pipes.hpp"

#include <stdexcept>
#include <utility>
#include <vector>

#include "ferry/detail/stages.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

Pointer pointer_of(std::string_view member) {
  if (!member.starts_with('/')) return Pointer() / std::string(member);
  try {
    return Pointer(std::string(member));
  } catch (const json::exception&) {
    throw std::invalid_argument("ferry: \"" + std::string(member) + "\" is no JSON pointer");
  }
}

}  // namespace

std::function<Payload(Payload, Context&)> pick(std::string_view member) {
  return [pointer = pointer_of(member)](Payload payload, Context& context) {
    if (!payload.has_value()) return payload;
    const json whole = detail::decode_received([&payload] { return payload.as<json>(); });
    if (!whole.contains(pointer)) return Payload();
    return detail::make_payload(whole.at(pointer), context.delivery()->serializer());
  };
}

std::function<void(const json&)> required(std::initializer_list<std::string_view> members) {
  std::vector<Pointer> pointers;
  for (const std::string_view member : members) pointers.push_back(pointer_of(member));
  return [pointers = std::move(pointers)](const json& payload) {
    for (const Pointer& pointer : pointers) {
      if (!payload.contains(pointer) || payload.at(pointer).is_null()) throw RpcError(pointer.to_string() + " is required");
    }
  };
}

std::function<void(const json&)> in_range(std::string_view member, double least, double most) {
  return [pointer = pointer_of(member), least, most](const json& payload) {
    if (!payload.contains(pointer)) return;
    const json& value = payload.at(pointer);
    if (value.is_number() && value.get<double>() >= least && value.get<double>() <= most) return;
    throw RpcError(pointer.to_string() + " must be a number from " + json(least).dump() + " to " + json(most).dump());
  };
}

}  // namespace ferry
