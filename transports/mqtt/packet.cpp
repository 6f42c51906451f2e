#include "transports/mqtt/packet.hpp"

#include "transports/mqtt/bytes.hpp"
#include "transports/mqtt/properties.hpp"

namespace ferry::mqtt {
namespace {

std::uint8_t header(PacketType type, unsigned flags = 0) noexcept {
  return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags);
}

/// Where MQTT 5 has properties. False if they are broken.
bool take_properties(ByteReader& in, Version version, std::string_view& out) noexcept {
  if (version != Version::v5) return true;
  out = in.take(in.varint());
  return in.ok && are_properties(out);
}

std::string_view reason_of(std::string_view properties) noexcept {
  Property found;
  return find_property(properties, PropertyId::reason_string, found) ? found.text : std::string_view();
}

/// Header, length and body.
void append_packet(std::string& out, std::uint8_t first, const std::string& body) {
  out += static_cast<char>(first);
  append_varint(out, static_cast<std::uint32_t>(body.size()));
  out += body;
}

void append_properties(std::string& out, Version version, std::string_view properties = {}) {
  if (version != Version::v5) return;
  append_varint(out, static_cast<std::uint32_t>(properties.size()));
  out += properties;
}

/// Only one set of flags is right, but for PUBLISH.
bool flags_fit(PacketType type, unsigned flags) noexcept {
  switch (type) {
    case PacketType::publish: return (flags & 6U) != 6U;   // QoS 3
    case PacketType::pubrel:
    case PacketType::subscribe:
    case PacketType::unsubscribe: return flags == 2;
    default: return flags == 0;
  }
}

void apply(const Property& property, Grant& grant) {
  switch (property.id) {
    case PropertyId::receive_maximum: grant.receive_maximum = static_cast<std::uint16_t>(property.number); break;
    case PropertyId::maximum_qos: grant.maximum_qos = static_cast<std::uint8_t>(property.number); break;
    case PropertyId::retain_available: grant.retain_available = property.number != 0; break;
    case PropertyId::wildcard_available: grant.wildcard_available = property.number != 0; break;
    case PropertyId::shared_available: grant.shared_available = property.number != 0; break;
    case PropertyId::maximum_packet_size: grant.maximum_packet_size = property.number; break;
    case PropertyId::server_keep_alive: grant.keep_alive = static_cast<std::uint16_t>(property.number); break;
    case PropertyId::session_expiry: grant.session_expiry = property.number; break;
    case PropertyId::assigned_client_id: grant.client_id = property.text; break;
    case PropertyId::server_reference: grant.server_reference = property.text; break;
    case PropertyId::reason_string: grant.reason = property.text; break;
    default: break;
  }
}

}  // namespace

// --- reading --------------------------------------------------------------------------------------------------------

Framing next_packet(std::string_view bytes, Packet& out, std::size_t& size) noexcept {
  size = 0;
  if (bytes.empty()) return Framing::partial;
  const auto first = static_cast<std::uint8_t>(bytes.front());
  out.type = static_cast<PacketType>(first >> 4U);
  out.flags = first & 0x0fU;
  if ((first >> 4U) == 0 || !flags_fit(out.type, out.flags)) return Framing::broken;
  std::size_t length = 0;
  std::size_t at = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 28) return Framing::broken;
    if (at == bytes.size()) return Framing::partial;
    const auto each = static_cast<std::uint8_t>(bytes[at++]);
    length |= static_cast<std::size_t>(each & 0x7fU) << shift;
    if ((each & 0x80U) == 0) break;
  }
  size = at + length;
  if (bytes.size() < size) return Framing::partial;
  out.body = bytes.substr(at, length);
  return Framing::whole;
}

std::optional<Publish> read_publish(const Packet& packet, Version version) noexcept {
  ByteReader in{packet.body};
  Publish out;
  out.qos = static_cast<std::uint8_t>(packet.flags >> 1U & 3U);
  out.retain = (packet.flags & 1U) != 0;
  out.duplicate = (packet.flags & 8U) != 0;
  out.topic = in.text();
  if (out.qos != 0) out.id = in.two();
  if (!take_properties(in, version, out.properties) || !in.ok) return std::nullopt;
  if (out.qos != 0 && out.id == 0) return std::nullopt;
  // We allow no topic aliases, so that every message has a topic; and wildcards are for subscriptions.
  if (out.topic.empty() || out.topic.find_first_of("+#") != std::string_view::npos) return std::nullopt;
  out.payload = in.rest;
  return out;
}

std::optional<Grant> read_connack(const Packet& packet, Version version) {
  ByteReader in{packet.body};
  Grant out;
  const std::uint8_t flags = in.byte();
  out.code = in.byte();
  out.session_present = (flags & 1U) != 0;
  if (!in.ok || (flags & 0xfeU) != 0) return std::nullopt;
  // A server that does not know version 5 says so in the manner of 3.1.1.
  if (version == Version::v5 && in.rest.empty() && out.code != 0) return out;
  std::string_view properties;
  if (!take_properties(in, version, properties) || !in.rest.empty()) return std::nullopt;
  PropertyReader reader(properties);
  Property each;
  while (reader.next(each)) apply(each, out);
  if (out.receive_maximum == 0 || out.maximum_packet_size == 0 || out.maximum_qos > 2) return std::nullopt;
  return out;
}

std::optional<Acknowledgement> read_acknowledgement(const Packet& packet, Version version) noexcept {
  ByteReader in{packet.body};
  Acknowledgement out;
  out.id = in.two();
  if (!in.ok || out.id == 0) return std::nullopt;
  if (in.rest.empty()) return out;
  if (version != Version::v5) return std::nullopt;
  out.code = in.byte();
  if (in.rest.empty()) return out;
  std::string_view properties;
  if (!take_properties(in, version, properties) || !in.rest.empty()) return std::nullopt;
  out.reason = reason_of(properties);
  return out;
}

std::optional<Codes> read_codes(const Packet& packet, Version version) noexcept {
  ByteReader in{packet.body};
  Codes out;
  out.id = in.two();
  std::string_view properties;
  if (!take_properties(in, version, properties) || !in.ok || out.id == 0) return std::nullopt;
  out.reason = reason_of(properties);
  out.codes = in.rest;
  return out;
}

std::optional<Farewell> read_disconnect(const Packet& packet) noexcept {
  ByteReader in{packet.body};
  Farewell out;
  if (in.rest.empty()) return out;
  out.code = in.byte();
  if (in.rest.empty()) return out;
  std::string_view properties;
  if (!take_properties(in, Version::v5, properties) || !in.rest.empty()) return std::nullopt;
  out.reason = reason_of(properties);
  Property found;
  if (find_property(properties, PropertyId::server_reference, found)) out.server_reference = found.text;
  return out;
}

// --- writing --------------------------------------------------------------------------------------------------------

void append_connect(std::string& out, const Connect& connect) {
  unsigned flags = connect.clean ? 2U : 0U;
  if (connect.will) flags |= 4U | static_cast<unsigned>(connect.will->qos) << 3U | (connect.will->retain ? 0x20U : 0U);
  if (connect.password) flags |= 0x40U;
  if (connect.username) flags |= 0x80U;
  std::string body;
  append_binary(body, "MQTT");
  body += static_cast<char>(connect.version);
  body += static_cast<char>(flags);
  append_two(body, connect.keep_alive);
  append_properties(body, connect.version, connect.properties);
  append_binary(body, connect.client_id);
  if (connect.will) {
    append_properties(body, connect.version, connect.will->properties);
    append_binary(body, connect.will->topic);
    append_binary(body, connect.will->payload);
  }
  if (connect.username) append_binary(body, *connect.username);
  if (connect.password) append_binary(body, *connect.password);
  append_packet(out, header(PacketType::connect), body);
}

namespace {

std::size_t publish_body_size(Version version, const PublishHead& head, std::size_t payload_size) noexcept {
  std::size_t size = 2 + head.topic.size() + payload_size;
  if (head.qos != 0) size += 2;
  if (version == Version::v5) size += varint_size(static_cast<std::uint32_t>(head.properties.size())) + head.properties.size();
  return size;
}

}  // namespace

std::size_t publish_size(Version version, const PublishHead& head, std::size_t payload_size) noexcept {
  const std::size_t body = publish_body_size(version, head, payload_size);
  return 1 + (body > largest_varint ? 4 : varint_size(static_cast<std::uint32_t>(body))) + body;
}

void append_publish_head(std::string& out, Version version, const PublishHead& head, std::size_t payload_size) {
  const unsigned flags = static_cast<unsigned>(head.qos) << 1U | (head.retain ? 1U : 0U) | (head.duplicate ? 8U : 0U);
  out += static_cast<char>(header(PacketType::publish, flags));
  append_varint(out, static_cast<std::uint32_t>(publish_body_size(version, head, payload_size)));
  append_binary(out, head.topic);
  if (head.qos != 0) append_two(out, head.id);
  append_properties(out, version, head.properties);
}

void mark_duplicate(std::string& publish) noexcept { publish.front() = static_cast<char>(publish.front() | 8); }

void append_acknowledgement(std::string& out, PacketType type, std::uint16_t id, Version version, std::uint8_t code) {
  const bool has_code = version == Version::v5 && code != 0;
  out += static_cast<char>(header(type, type == PacketType::pubrel ? 2 : 0));
  out += has_code ? '\3' : '\2';
  append_two(out, id);
  if (has_code) out += static_cast<char>(code);
}

void append_subscribe(std::string& out, Version version, std::uint16_t id, const std::vector<TopicFilter>& filters) {
  std::string body;
  append_two(body, id);
  append_properties(body, version);
  for (const TopicFilter& each : filters) {
    const SubscriptionOptions& options = each.options;
    unsigned bits = options.qos;
    if (version == Version::v5) {
      bits |= (options.no_local ? 4U : 0U) | (options.retain_as_published ? 8U : 0U) |
              static_cast<unsigned>(options.retain_handling) << 4U;
    }
    append_binary(body, each.filter);
    body += static_cast<char>(bits);
  }
  append_packet(out, header(PacketType::subscribe, 2), body);
}

void append_unsubscribe(std::string& out, Version version, std::uint16_t id, const std::vector<std::string>& filters) {
  std::string body;
  append_two(body, id);
  append_properties(body, version);
  for (const std::string& each : filters) append_binary(body, each);
  append_packet(out, header(PacketType::unsubscribe, 2), body);
}

void append_pingreq(std::string& out) { out.append({static_cast<char>(header(PacketType::pingreq)), '\0'}); }
void append_disconnect(std::string& out) { out.append({static_cast<char>(header(PacketType::disconnect)), '\0'}); }

}  // namespace ferry::mqtt
