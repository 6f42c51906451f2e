#include "transports/rmq/record.hpp"

#include <charconv>

#include "transports/rmq/frame.hpp"

namespace ferry::rmq {
namespace {

using TextMember = std::optional<std::string_view> Properties::*;
constexpr std::pair<std::string_view, TextMember> texts[] = {
    {"contentType", &Properties::content_type}, {"contentEncoding", &Properties::content_encoding},
    {"expiration", &Properties::expiration},    {"messageId", &Properties::message_id},
    {"type", &Properties::type},                {"userId", &Properties::user_id},
    {"appId", &Properties::app_id},
};

template <class T>
bool read_number(std::string_view text, T& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

bool read_flag(std::string_view text, bool& value) {
  value = text == "true";
  return value || text == "false";
}

/// Null, or what the value should be.
const char* take(std::string_view name, std::string_view value, Properties& properties, Record& record) {
  for (const auto& [text, member] : texts) {
    if (name != text) continue;
    if (value.size() > most_short_text) return "255 bytes at most";
    std::uint64_t number = 0;
    if (name == "expiration" && !read_number(value, number)) return "a number of milliseconds";
    properties.*member = value;
    return nullptr;
  }
  if (name == "priority") {
    std::uint8_t priority = 0;
    if (!read_number(value, priority)) return "a number from 0 to 255";
    properties.priority = priority;
  } else if (name == "timestamp") {
    std::uint64_t timestamp = 0;
    if (!read_number(value, timestamp)) return "a number of seconds since 1970";
    properties.timestamp = timestamp;
  } else if (name == "deliveryMode") {
    if (value != "1" && value != "2") return "1 or 2";
    properties.delivery_mode = static_cast<std::uint8_t>(value.front() - '0');
  } else if (name == "persistent") {
    bool persistent = false;
    if (!read_flag(value, persistent)) return "true or false";
    properties.delivery_mode = static_cast<std::uint8_t>(persistent ? 2 : 1);
  } else if (name == "mandatory") {
    if (!read_flag(value, record.mandatory)) return "true or false";
  } else {
    return "no publish option: there are priority, expiration, persistent, deliveryMode, mandatory, messageId, timestamp, "
           "type, userId, appId, contentType and contentEncoding";
  }
  return nullptr;
}

}  // namespace

bool read_record(const Headers& headers, Properties& properties, Record& record, std::string& table, Failure& failure) {
  for (const auto& [name, value] : headers) {
    if (name.size() > most_short_text) {
      failure = Failure(errc::bad_payload, "a header's name has 255 bytes at most: " + name.substr(0, 40) + "…", Fate::not_sent);
      return false;
    }
    if (!name.starts_with(record_prefix)) {
      append_header(table, name, value);
      continue;
    }
    const char* const wrong = take(std::string_view(name).substr(record_prefix.size()), value, properties, record);
    if (wrong == nullptr) continue;
    failure = Failure(errc::bad_payload, "the header " + name + " with the value \"" + value + "\": this must be " + wrong, Fate::not_sent);
    return false;
  }
  return true;
}

}  // namespace ferry::rmq
