#include "transports/rmq/record.hpp"

#include <algorithm>
#include <limits>

#include "transports/rmq/frame.hpp"

namespace ferry::rmq {
namespace {

using nlohmann::json;

using TextMember = std::optional<std::string_view> Properties::*;
constexpr std::pair<std::string_view, TextMember> texts[] = {
    {"contentType", &Properties::content_type}, {"contentEncoding", &Properties::content_encoding},
    {"expiration", &Properties::expiration},    {"messageId", &Properties::message_id},
    {"type", &Properties::type},                {"userId", &Properties::user_id},
    {"appId", &Properties::app_id},
};

template <class T>
bool read_number(const json& value, std::optional<T>& number) {
  if (!value.is_number_integer() || value < 0 || value.get<std::uint64_t>() > std::numeric_limits<T>::max()) return false;
  number = value.get<T>();
  return true;
}

const char* read_headers(const json& value, Headers& headers) {
  if (!value.is_object()) return "an object of texts";
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) return "an object of texts";
    headers.set(name, text.get_ref<const std::string&>());
  }
  return nullptr;
}

const char* read_text(std::string_view name, const json& value, std::optional<std::string_view>& text) {
  if (!value.is_string()) return "a text";
  const std::string& given = value.get_ref<const std::string&>();
  if (given.size() > most_short_text) return "255 bytes at most";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name == "expiration" && (given.empty() || !std::all_of(given.begin(), given.end(), is_digit))) {
    return "a text of milliseconds: \"60000\"";
  }
  text = given;
  return nullptr;
}

/// Null, or what the value should be.
const char* take(const std::string& name, const json& value, Properties& properties, bool& mandatory, Headers& headers) {
  for (const auto& [text, member] : texts) {
    if (name == text) return read_text(name, value, properties.*member);
  }
  if (name == "headers") return read_headers(value, headers);
  if (name == "priority") return read_number(value, properties.priority) ? nullptr : "a number from 0 to 255";
  if (name == "timestamp") return read_number(value, properties.timestamp) ? nullptr : "a number of seconds since 1970";
  if (name == "deliveryMode") {
    if (value != 1 && value != 2) return "1 or 2";
    properties.delivery_mode = value.get<std::uint8_t>();
    return nullptr;
  }
  if (name != "persistent" && name != "mandatory") {
    return "left out: there are headers, priority, expiration, persistent, deliveryMode, mandatory, messageId, timestamp, type, "
           "userId, appId, contentType and contentEncoding";
  }
  if (!value.is_boolean()) return "true or false";
  if (name == "mandatory") mandatory = value.get<bool>();
  else properties.delivery_mode = static_cast<std::uint8_t>(value.get<bool>() ? 2 : 1);
  return nullptr;
}

}  // namespace

bool read_record(const json& record, Properties& properties, bool& mandatory, Headers& headers, Failure& failure) {
  if (!record.is_object()) {
    failure = Failure(errc::unsupported, "the record is no object of publish options", Fate::not_sent);
    return false;
  }
  for (const auto& [name, value] : record.items()) {
    const char* const wrong = take(name, value, properties, mandatory, headers);
    if (wrong == nullptr) continue;
    failure = Failure(errc::unsupported, "the record's option \"" + name + "\" must be " + wrong, Fate::not_sent);
    return false;
  }
  return true;
}

}  // namespace ferry::rmq
