#pragma once
// What travels beside a message's body: AMQP's basic properties, read and written in place.
//
// By hand, because it stands with every message: rabbitmq-c allocates for each, follows nested tables of strangers as deep
// as they go, and cannot hand on a table that it did not build.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/headers.hpp"

namespace ferry::rmq {

/// Views. Texts of up to 255 bytes; what is absent is not written.
struct Properties {
  std::optional<std::string_view> content_type, content_encoding;
  std::optional<std::string_view> headers;   ///< an encoded table, without its length
  std::optional<std::uint8_t> delivery_mode, priority;
  std::optional<std::string_view> correlation_id, reply_to, expiration, message_id;
  std::optional<std::uint64_t> timestamp;
  std::optional<std::string_view> type, user_id, app_id, cluster_id;
};

/// False if these are no properties.
bool read_properties(std::string_view encoded, Properties& properties);
void append_properties(std::string& out, const Properties& properties);

/// A header in an encoded table, as text; nothing if it is not there. Strings cost no allocation of their own.
std::optional<std::string> find_header(std::string_view table, std::string_view name);
/// All of them: values that are no text as their JSON text. A table that is damaged ends where the damage is.
Headers headers_of(std::string_view table);
/// Appends a header to an encoded table. The name has up to 255 bytes.
void append_header(std::string& table, std::string_view name, std::string_view value);
/// The table without the header of that name.
std::string without_header(std::string_view table, std::string_view name);

}  // namespace ferry::rmq
