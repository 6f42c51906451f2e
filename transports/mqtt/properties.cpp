#include "transports/mqtt/properties.hpp"

namespace ferry::mqtt {
namespace {

enum class Kind : std::uint8_t { none, byte, two, four, varint, text, binary, pair };

constexpr Kind kind_of(PropertyId id) noexcept {
  switch (id) {
    case PropertyId::payload_format:
    case PropertyId::request_problem_information:
    case PropertyId::request_response_information:
    case PropertyId::maximum_qos:
    case PropertyId::retain_available:
    case PropertyId::wildcard_available:
    case PropertyId::subscription_identifiers_available:
    case PropertyId::shared_available: return Kind::byte;
    case PropertyId::server_keep_alive:
    case PropertyId::receive_maximum:
    case PropertyId::topic_alias_maximum:
    case PropertyId::topic_alias: return Kind::two;
    case PropertyId::message_expiry:
    case PropertyId::session_expiry:
    case PropertyId::will_delay:
    case PropertyId::maximum_packet_size: return Kind::four;
    case PropertyId::subscription_identifier: return Kind::varint;
    case PropertyId::content_type:
    case PropertyId::response_topic:
    case PropertyId::assigned_client_id:
    case PropertyId::authentication_method:
    case PropertyId::response_information:
    case PropertyId::server_reference:
    case PropertyId::reason_string: return Kind::text;
    case PropertyId::correlation_data:
    case PropertyId::authentication_data: return Kind::binary;
    case PropertyId::user_property: return Kind::pair;
  }
  return Kind::none;
}

constexpr bool may_repeat(PropertyId id) noexcept {
  return id == PropertyId::user_property || id == PropertyId::subscription_identifier;
}

}  // namespace

bool PropertyReader::next(Property& out) noexcept {
  if (broken_ || in_.rest.empty()) return false;
  const std::uint32_t id = in_.varint();
  if (!in_.ok || id > 0x3fU) return fail();
  out = {};
  out.id = static_cast<PropertyId>(id);
  const std::uint64_t bit = std::uint64_t{1} << id;
  if ((seen_ & bit) != 0 && !may_repeat(out.id)) return fail();
  seen_ |= bit;
  switch (kind_of(out.id)) {
    case Kind::none: return fail();
    case Kind::byte: out.number = in_.byte(); break;
    case Kind::two: out.number = in_.two(); break;
    case Kind::four: out.number = in_.four(); break;
    case Kind::varint: out.number = in_.varint(); break;
    case Kind::text: out.text = in_.text(); break;
    case Kind::binary: out.text = in_.binary(); break;
    case Kind::pair:
      out.text = in_.text();
      out.value = in_.text();
      break;
  }
  return in_.ok || fail();
}

bool are_properties(std::string_view properties) noexcept {
  PropertyReader reader(properties);
  Property each;
  while (reader.next(each)) {
  }
  return !reader.broken();
}

bool find_property(std::string_view properties, PropertyId id, Property& out) noexcept {
  PropertyReader reader(properties);
  while (reader.next(out)) {
    if (out.id == id) return true;
  }
  return false;
}

Headers user_properties(std::string_view properties) {
  Headers headers;
  PropertyReader reader(properties);
  Property each;
  while (reader.next(each)) {
    if (each.id != PropertyId::user_property) continue;
    const auto before = headers.get(each.text);
    if (before) headers.set(each.text, std::string(*before).append(", ").append(each.value));
    else headers.set(each.text, each.value);
  }
  return headers;
}

void append_number(std::string& out, PropertyId id, std::uint32_t value) {
  out += static_cast<char>(id);
  switch (kind_of(id)) {
    case Kind::byte: out += static_cast<char>(value); break;
    case Kind::two: append_two(out, static_cast<std::uint16_t>(value)); break;
    case Kind::varint: append_varint(out, value); break;
    default: append_four(out, value);
  }
}

void append_text(std::string& out, PropertyId id, std::string_view text) {
  out += static_cast<char>(id);
  append_binary(out, text);
}

void append_user_property(std::string& out, std::string_view name, std::string_view value) {
  append_text(out, PropertyId::user_property, name);
  append_binary(out, value);
}

}  // namespace ferry::mqtt
