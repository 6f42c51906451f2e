#include "json_serializer.hpp"

#include <charconv>
#include <cstdint>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_reader.hpp"
#include "ferry/detail/json_value.hpp"
#include "ferry/detail/json_writer.hpp"

namespace ferry::serializers {
namespace {

using namespace std::string_view_literals;   // std::string::append of a literal would call strlen
using detail::JsonReader;

Failure bad_payload(const char* what) {
  return Failure(errc::bad_payload, std::string("the payload is not the JSON that was expected: ") + what, Fate::unknown);
}

const char* why(const JsonReader& reader) { return reader.ok() ? "there is text behind the value" : reader.fault(); }

// ---- envelopes -------------------------------------------------------------------------------------------------------

enum class Member : std::uint8_t { other, pattern, data, metadata, id, err, response, is_disposed, status };

Member member_named(std::string_view name) noexcept {
  switch (name.size()) {
    case 2: return name == "id" ? Member::id : Member::other;
    case 3: return name == "err" ? Member::err : Member::other;
    case 4: return name == "data" ? Member::data : Member::other;
    case 6: return name == "status" ? Member::status : Member::other;
    case 7: return name == "pattern" ? Member::pattern : Member::other;
    case 8: return name == "response" ? Member::response : name == "metadata" ? Member::metadata : Member::other;
    case 10: return name == "isDisposed" ? Member::is_disposed : Member::other;
    default: return Member::other;
  }
}

Member member_of(std::string_view raw_key, bool escaped) {
  if (!escaped) return member_named(raw_key);
  if (raw_key.size() > 6 * std::string_view("isDisposed").size()) return Member::other;
  std::string key;
  detail::unescape_json(raw_key, key);
  return member_named(key);
}

/// The rest of a body that is no envelope: it has to be JSON all the same.
const char* check_rest(JsonReader& reader) noexcept { return reader.skip_value() && reader.at_end() ? nullptr : why(reader); }

bool is_string(std::string_view token) noexcept { return token.front() == '"'; }
std::string_view unquoted(std::string_view token) noexcept { return token.substr(1, token.size() - 2); }

void set_pattern(std::string_view token, spi::RequestView& out) noexcept {
  using Form = spi::RequestView::PatternForm;
  // An escape would have to be undone somewhere: as JSON text it can stay a view.
  const bool text = is_string(token) && token.find('\\') == std::string_view::npos;
  out.pattern_form = text ? Form::text : Form::json;
  out.pattern = text ? unquoted(token) : token;
}

/// The shape that ferry and NestJS give a request without headers; false for any other, valid or not.
bool read_usual_request(std::string_view body, std::string_view& pattern, std::string_view& data, std::string_view& id) noexcept {
  JsonReader reader(body, 1);
  if (!reader.accept(R"({"pattern":)") || !reader.skip_value(pattern)) return false;
  if (reader.accept(R"(,"data":)") && !reader.skip_value(data)) return false;
  if (reader.accept(R"(,"id":)") && !reader.skip_value(id)) return false;
  return reader.accept("}") && reader.offset() == body.size();
}

/// The shape that ferry and NestJS give the only value of a reply, or the last.
bool read_usual_reply(std::string_view body, std::string_view& response, std::string_view& id) noexcept {
  JsonReader reader(body, 1);
  bool escaped = false;
  if (!reader.accept(R"({"response":)") || !reader.skip_value(response)) return false;
  if (!reader.accept(R"(,"isDisposed":true,"id":)") || !reader.read_raw_string(id, escaped)) return false;
  return reader.accept("}") && reader.offset() == body.size();
}

void append_metadata(const Headers& headers, std::string& out) {
  char separator = '{';
  for (const auto& [name, value] : headers) {
    out += separator;
    detail::append_json_string(out, name);
    out += ':';
    detail::append_json_string(out, value);
    separator = ',';
  }
  out += '}';
}

/// JSON text without the white space between its parts.
void append_compact(std::string_view json, std::string& out) {
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    out += c;
    if (c == '"') in_string = !in_string;
    if (c == '\\') out += json[++i];
  }
}

void append_id(std::string_view raw_id, std::string& out) {
  if (!raw_id.empty()) out.append(R"("id":)"sv).append(raw_id);
}

}  // namespace

void JsonSerializer::write_request(const spi::RequestEnvelope& envelope, std::string& head, std::string& tail) const {
  const Pattern& pattern = *envelope.pattern;
  head += R"({"pattern":)"sv;
  if (envelope.pattern_as_route && pattern.json().front() != '"') {
    detail::append_json_string(head, pattern.route());
  } else {
    head += pattern.json();   // of a string: its route, quoted
  }
  if (envelope.has_payload) head += R"(,"data":)"sv;
  if (envelope.headers != nullptr && !envelope.headers->empty()) {
    tail += R"(,"metadata":)"sv;
    append_metadata(*envelope.headers, tail);
  }
  if (!envelope.id.empty()) {
    tail += R"(,"id":)"sv;
    detail::append_json_string(tail, envelope.id);
  }
  tail += '}';
}

void JsonSerializer::write_reply(const spi::ReplyEnvelope& envelope, std::string& head, std::string& tail) const {
  const std::string_view comma = envelope.id.empty() ? "" : ",";
  switch (envelope.kind) {
    case spi::ReplyKind::item:
      head += R"({"response":)"sv;
      tail += comma;
      break;
    case spi::ReplyKind::last_item:
      head += R"({"response":)"sv;
      tail.append(R"(,"isDisposed":true)"sv).append(comma);
      break;
    case spi::ReplyKind::end:
      head.append(R"({"isDisposed":true)"sv).append(comma);
      break;
    case spi::ReplyKind::error:
      head += R"({"err":)"sv;
      tail.append(R"(,"isDisposed":true)"sv).append(comma);
      break;
    case spi::ReplyKind::no_handler:
      head += '{';
      append_id(envelope.id, head);
      head.append(comma).append(
          R"("status":"error","err":"There is no matching message handler defined in the remote service."})"sv);
      return;
  }
  append_id(envelope.id, tail);
  tail += '}';
}

const char* JsonSerializer::read_request(std::string_view body, spi::RequestView& out) const {
  out = {};
  std::string_view pattern;
  if (read_usual_request(body, pattern, out.payload, out.id)) {
    set_pattern(pattern, out);
    out.has_payload = !out.payload.empty();
    out.has_id = !out.id.empty();
    return nullptr;
  }
  out = {};
  pattern = {};
  JsonReader reader(body);
  if (reader.peek() != JsonReader::Type::object) return check_rest(reader);
  reader.begin_object();
  bool first = true;
  bool escaped = false;
  std::string_view key;
  std::string_view value;
  while (reader.next_member(first, key, escaped) && reader.skip_value(value)) {
    switch (member_of(key, escaped)) {
      case Member::pattern: pattern = value; break;
      case Member::data: out.payload = value; break;
      case Member::metadata: out.headers = value.front() == '{' ? value : std::string_view(); break;
      case Member::id: out.id = value; break;
      default: break;
    }
  }
  if (!reader.at_end()) return why(reader);
  if (pattern.empty() && out.payload.empty()) {
    out = {};
    return nullptr;
  }
  if (!pattern.empty()) set_pattern(pattern, out);
  out.has_payload = !out.payload.empty();
  out.has_id = !out.id.empty();
  return nullptr;
}

const char* JsonSerializer::read_reply(std::string_view body, spi::ReplyView& out) const {
  out = {};
  if (read_usual_reply(body, out.value, out.id)) {
    out.has_value = true;
    out.last = true;
    return nullptr;
  }
  out = {};
  JsonReader reader(body);
  bool foreign = true;   // an empty object is
  std::string_view response;
  std::string_view disposed;
  if (reader.peek() == JsonReader::Type::object) {
    reader.begin_object();
    bool first = true;
    bool escaped = false;
    bool unknown = false;
    std::string_view key;
    std::string_view value;
    while (reader.next_member(first, key, escaped) && reader.skip_value(value)) {
      foreign = false;
      switch (member_of(key, escaped)) {
        case Member::id: out.id = is_string(value) ? unquoted(value) : value; break;
        case Member::err: out.error = value; break;
        case Member::response: response = value; break;
        case Member::is_disposed: disposed = value; break;
        case Member::status: break;
        default: unknown = true;
      }
    }
    if (!reader.at_end()) return why(reader);
    foreign = foreign || unknown;
  } else if (const char* fault = check_rest(reader)) {
    return fault;
  }

  out.failed = !foreign && !out.error.empty() && detail::is_truthy_json(out.error);
  if (!out.failed) out.error = {};
  out.last = foreign || out.failed || (!disposed.empty() && detail::is_truthy_json(disposed));
  out.has_value = foreign || (!out.failed && (!response.empty() || !out.last));
  if (out.has_value) out.value = foreign ? body : response;
  return nullptr;
}

Headers JsonSerializer::read_headers(std::string_view raw) const {
  std::vector<Headers::Entry> headers;
  JsonReader reader(raw);
  if (reader.peek() != JsonReader::Type::object || !reader.begin_object()) return {};
  bool first = true;
  bool escaped = false;
  std::string_view raw_key;
  while (reader.next_member(first, raw_key, escaped)) {
    std::string key;
    std::string value;
    detail::unescape_json(raw_key, key);
    if (reader.peek() == JsonReader::Type::string) {
      if (!reader.read_string(value)) break;
    } else {
      std::string_view json;
      if (!reader.skip_value(json)) break;
      append_compact(json, value);
    }
    headers.emplace_back(std::move(key), std::move(value));
  }
  return Headers::of(std::move(headers));
}

// ---- values ----------------------------------------------------------------------------------------------------------

namespace {

bool read_byte(JsonReader& reader, std::string& out) {
  std::string_view token;
  if (!reader.read_number(token)) return false;
  std::uint8_t byte = 0;
  const auto result = std::from_chars(token.data(), token.data() + token.size(), byte);
  if (result.ec != std::errc() || result.ptr != token.data() + token.size()) return reader.fail("a byte is 0 to 255");
  out += static_cast<char>(byte);
  return true;
}

bool read_byte_array(JsonReader& reader, std::string& out) {
  out.clear();
  bool first = true;
  if (!reader.begin_array()) return false;
  while (reader.next_element(first)) {
    if (!read_byte(reader, out)) return false;
  }
  return reader.ok();
}

bool read_buffer(JsonReader& reader, std::string& out) {
  bool first = true;
  bool escaped = false;
  bool is_buffer = false;
  bool has_data = false;
  std::string_view key;
  if (!reader.begin_object()) return false;
  while (reader.next_member(first, key, escaped)) {
    std::string_view value;
    if (key == "data") {
      if (!read_byte_array(reader, out)) return false;
      has_data = true;
    } else {
      if (!reader.skip_value(value)) return false;
      if (key == "type") is_buffer = value == R"("Buffer")";
    }
  }
  if (!reader.ok()) return false;
  return (is_buffer && has_data) || reader.fail("an object of bytes has \"type\":\"Buffer\" and \"data\"");
}

}  // namespace

void JsonSerializer::encode(const nlohmann::json& value, std::string& out) const { detail::write_dom(out, value); }

Result<nlohmann::json> JsonSerializer::decode(std::string_view payload) const {
  JsonReader reader(payload);
  nlohmann::json value;
  if (detail::read_dom(reader, value) && reader.at_end()) return value;
  return bad_payload(why(reader));
}

void JsonSerializer::encode_bytes(std::string_view bytes, std::string& out) const { detail::append_json_buffer(out, bytes); }

Result<std::string> JsonSerializer::decode_bytes(std::string_view payload) const {
  JsonReader reader(payload);
  std::string bytes;
  bool read = false;
  switch (reader.peek()) {
    case JsonReader::Type::object: read = read_buffer(reader, bytes); break;
    case JsonReader::Type::string: read = reader.read_string(bytes); break;
    default: return bad_payload(R"(bytes are {"type":"Buffer","data":[...]} or a string)");
  }
  if (read && reader.at_end()) return bytes;
  return bad_payload(why(reader));
}

Result<std::string> JsonSerializer::to_json_text(std::string_view payload) const {
  JsonReader reader(payload);
  if (reader.skip_value() && reader.at_end()) return std::string(payload);
  return bad_payload(why(reader));
}

}  // namespace ferry::serializers
