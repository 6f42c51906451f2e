#pragma once
// MQTT's control packets, of versions 3.1.1 and 5, as a client writes and reads them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::mqtt {

enum class Version : std::uint8_t { v3_1_1 = 4, v5 = 5 };

enum class PacketType : std::uint8_t {
  connect = 1, connack, publish, puback, pubrec, pubrel, pubcomp,
  subscribe, suback, unsubscribe, unsuback, pingreq, pingresp, disconnect, auth,
};

// --- reading --------------------------------------------------------------------------------------------------------

/// A packet as it lies in the bytes that came.
struct Packet {
  PacketType type{};
  std::uint8_t flags = 0;
  std::string_view body = {};
};

enum class Framing : std::uint8_t { whole, partial, broken };
/// Looks for a packet at the front of `bytes`. `size`: of all of it, its header included; of a partial one as far as is
/// known (0: the header is not all there).
Framing next_packet(std::string_view bytes, Packet& out, std::size_t& size) noexcept;

struct Publish {
  std::string_view topic = {};
  std::string_view payload = {};
  std::string_view properties = {};   ///< MQTT 5, encoded
  std::uint16_t id = 0;               ///< with qos 1 and 2
  std::uint8_t qos = 0;
  bool retain = false;
  bool duplicate = false;
};

/// What the server allows, and how the connection differs from what was asked for.
struct Grant {
  bool session_present = false;
  std::uint8_t code = 0;              ///< 0: accepted; otherwise a return code (3.1.1) or a reason code (5)
  std::string reason = {};            ///< the server's own words
  std::uint16_t receive_maximum = 65535;
  std::uint8_t maximum_qos = 2;
  bool retain_available = true;
  bool wildcard_available = true;
  bool shared_available = true;
  std::uint32_t maximum_packet_size = 268'435'460;
  std::optional<std::uint16_t> keep_alive = {};
  std::optional<std::uint32_t> session_expiry = {};
  std::string client_id = {};         ///< assigned by the server
  std::string server_reference = {};
};

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct Acknowledgement {
  std::uint16_t id = 0;
  std::uint8_t code = 0;              ///< 3.1.1 knows success only
  std::string_view reason = {};
};

/// SUBACK and UNSUBACK: a code for each topic asked for.
struct Codes {
  std::uint16_t id = 0;
  std::string_view codes = {};        ///< a byte each; empty in an UNSUBACK of 3.1.1
  std::string_view reason = {};
};

/// DISCONNECT of MQTT 5.
struct Farewell {
  std::uint8_t code = 0;
  std::string_view reason = {};
  std::string_view server_reference = {};
};

// Null if the body cannot be read as such a packet. Views are of the body.
std::optional<Publish> read_publish(const Packet& packet, Version version) noexcept;
std::optional<Grant> read_connack(const Packet& packet, Version version);
std::optional<Acknowledgement> read_acknowledgement(const Packet& packet, Version version) noexcept;
std::optional<Codes> read_codes(const Packet& packet, Version version) noexcept;
std::optional<Farewell> read_disconnect(const Packet& packet) noexcept;

// --- writing: appended to `out` -------------------------------------------------------------------------------------

/// A message that the server publishes if we go without a farewell.
struct Will {
  std::string topic;
  std::string payload;
  std::string properties;             ///< MQTT 5, encoded
  std::uint8_t qos = 0;
  bool retain = false;
};

struct Connect {
  Version version = Version::v3_1_1;
  std::string client_id;
  bool clean = true;
  std::uint16_t keep_alive = 60;      ///< seconds
  std::optional<std::string> username;
  std::optional<std::string> password;
  std::optional<Will> will;
  std::string properties;             ///< MQTT 5, encoded
};
void append_connect(std::string& out, const Connect& connect);

/// What goes before the payload of a PUBLISH. `payload_size`: of all that follows.
struct PublishHead {
  std::string_view topic = {};
  std::string_view properties = {};   ///< MQTT 5, encoded
  std::uint16_t id = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool duplicate = false;
};
void append_publish_head(std::string& out, Version version, const PublishHead& head, std::size_t payload_size);
/// Of the whole packet.
std::size_t publish_size(Version version, const PublishHead& head, std::size_t payload_size) noexcept;
/// Says in a whole PUBLISH that it was sent before.
void mark_duplicate(std::string& publish) noexcept;

/// PUBACK, PUBREC, PUBREL or PUBCOMP. `code` is MQTT 5's.
void append_acknowledgement(std::string& out, PacketType type, std::uint16_t id, Version version, std::uint8_t code = 0);

struct SubscriptionOptions {
  std::uint8_t qos = 0;
  bool no_local = false;              // the others are MQTT 5's
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;
  friend bool operator==(const SubscriptionOptions&, const SubscriptionOptions&) = default;
};
struct TopicFilter {
  std::string filter;
  SubscriptionOptions options;
};
void append_subscribe(std::string& out, Version version, std::uint16_t id, const std::vector<TopicFilter>& filters);
void append_unsubscribe(std::string& out, Version version, std::uint16_t id, const std::vector<std::string>& filters);
void append_pingreq(std::string& out);
void append_disconnect(std::string& out);

}  // namespace ferry::mqtt
