#include "ferry/pipes.hpp"

#include <algorithm>
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

/// Code points: bytes that do not continue another.
std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
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

std::function<void(const json&)> length_in(std::string_view member, std::size_t least, std::size_t most) {
  return [pointer = pointer_of(member), least, most](const json& payload) {
    if (!payload.contains(pointer)) return;
    const json& value = payload.at(pointer);
    const bool text = value.is_string();
    const std::size_t length = text ? characters(value.get_ref<const std::string&>()) : value.size();
    if ((text || value.is_array()) && length >= least && length <= most) return;
    throw RpcError(pointer.to_string() + " must have from " + std::to_string(least) + " to " + std::to_string(most) +
                   " characters or elements");
  };
}

std::function<void(const json&)> one_of(std::string_view member, std::initializer_list<json> values) {
  return [pointer = pointer_of(member), values = std::vector<json>(values)](const json& payload) {
    if (!payload.contains(pointer)) return;
    const json& value = payload.at(pointer);
    std::string all;
    for (const json& each : values) {
      if (value == each) return;
      all.append(all.empty() ? "" : ", ").append(each.dump());
    }
    throw RpcError(pointer.to_string() + " must be one of " + all);
  };
}

}  // namespace ferry
