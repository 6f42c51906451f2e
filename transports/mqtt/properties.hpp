#pragma once
// The properties of MQTT 5: what a packet says beside its fixed fields.

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "transports/mqtt/bytes.hpp"

namespace ferry::mqtt {

enum class PropertyId : std::uint8_t {
  payload_format = 0x01,
  message_expiry = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_identifier = 0x0b,
  session_expiry = 0x11,
  assigned_client_id = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  request_problem_information = 0x17,
  will_delay = 0x18,
  request_response_information = 0x19,
  response_information = 0x1a,
  server_reference = 0x1c,
  reason_string = 0x1f,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet_size = 0x27,
  wildcard_available = 0x28,
  subscription_identifiers_available = 0x29,
  shared_available = 0x2a,
};

struct Property {
  PropertyId id{};
  std::uint32_t number = 0;      ///< of those that are numbers
  std::string_view text = {};    ///< of texts and binary data; a user property's name
  std::string_view value = {};   ///< of a user property
};

/// Goes through encoded properties. Views are of what it reads.
class PropertyReader {
 public:
  explicit PropertyReader(std::string_view properties) noexcept : in_{properties} {}
  /// False at the end, and where they are broken: an id nobody knows, a value cut short, twice what may stand once.
  bool next(Property& out) noexcept;
  bool broken() const noexcept { return broken_; }

 private:
  bool fail() noexcept { return broken_ = true, false; }

  ByteReader in_;
  std::uint64_t seen_ = 0;
  bool broken_ = false;
};

/// True if all of them can be read.
bool are_properties(std::string_view properties) noexcept;
/// One of them, if it is there.
bool find_property(std::string_view properties, PropertyId id, Property& out) noexcept;
/// User properties in their order; of several with one name the values joined by ", ".
Headers user_properties(std::string_view properties);

void append_number(std::string& out, PropertyId id, std::uint32_t value);
void append_text(std::string& out, PropertyId id, std::string_view text);
void append_user_property(std::string& out, std::string_view name, std::string_view value);

}  // namespace ferry::mqtt
