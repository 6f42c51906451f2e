#include "transports/rmq/properties.hpp"

#include <bit>
#include <cmath>

#include <amqp.h>
#include <amqp_framing.h>

#include "ferry/detail/utf.hpp"
#include "transports/rmq/number.hpp"

namespace ferry::rmq {
namespace {

constexpr int deepest = 16;   // of tables and arrays in each other

/// Reads big-endian values; what is not there reads as nothing, and `ok` is false from then on.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const noexcept { return ok_; }
  bool empty() const noexcept { return rest_.empty(); }
  const char* place() const noexcept { return rest_.data(); }

  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  template <class T>
  T number() {
    T value = 0;
    for (const char c : bytes(sizeof(T))) value = static_cast<T>(value << 8 | static_cast<unsigned char>(c));
    return value;
  }
  std::string_view short_text() { return bytes(number<std::uint8_t>()); }
  std::string_view long_text() { return bytes(number<std::uint32_t>()); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

nlohmann::json text_value(std::string_view text) { return detail::replace_invalid_utf8(text); }

nlohmann::json read_value(Reader& reader, int depth);

nlohmann::json read_table(std::string_view table, int depth) {
  nlohmann::json object = nlohmann::json::object();
  Reader reader(table);
  while (!reader.empty()) {
    const std::string name = detail::replace_invalid_utf8(reader.short_text());
    nlohmann::json value = read_value(reader, depth);
    if (!reader.ok()) break;
    object[name] = std::move(value);
  }
  return object;
}

nlohmann::json read_array(std::string_view array, int depth) {
  nlohmann::json list = nlohmann::json::array();
  Reader reader(array);
  while (!reader.empty()) {
    nlohmann::json value = read_value(reader, depth);
    if (!reader.ok()) break;
    list.push_back(std::move(value));
  }
  return list;
}

nlohmann::json read_value(Reader& reader, int depth) {
  const auto kind = reader.number<std::uint8_t>();
  switch (kind) {
    case AMQP_FIELD_KIND_BOOLEAN: return reader.number<std::uint8_t>() != 0;
    case AMQP_FIELD_KIND_I8: return static_cast<std::int8_t>(reader.number<std::uint8_t>());
    case AMQP_FIELD_KIND_U8: return reader.number<std::uint8_t>();
    case AMQP_FIELD_KIND_I16: return static_cast<std::int16_t>(reader.number<std::uint16_t>());
    case AMQP_FIELD_KIND_U16: return reader.number<std::uint16_t>();
    case AMQP_FIELD_KIND_I32: return static_cast<std::int32_t>(reader.number<std::uint32_t>());
    case AMQP_FIELD_KIND_U32: return reader.number<std::uint32_t>();
    case AMQP_FIELD_KIND_I64:
    case 'L': return static_cast<std::int64_t>(reader.number<std::uint64_t>());
    case AMQP_FIELD_KIND_TIMESTAMP: return reader.number<std::uint64_t>();
    case AMQP_FIELD_KIND_F32: return std::bit_cast<float>(reader.number<std::uint32_t>());
    case AMQP_FIELD_KIND_F64: return std::bit_cast<double>(reader.number<std::uint64_t>());
    case AMQP_FIELD_KIND_DECIMAL: {
      const auto scale = reader.number<std::uint8_t>();
      return static_cast<double>(static_cast<std::int32_t>(reader.number<std::uint32_t>())) / std::pow(10.0, scale);
    }
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES: return text_value(reader.long_text());
    case AMQP_FIELD_KIND_TABLE: {
      const std::string_view table = reader.long_text();
      return depth < deepest ? read_table(table, depth + 1) : nlohmann::json();
    }
    case AMQP_FIELD_KIND_ARRAY: {
      const std::string_view array = reader.long_text();
      return depth < deepest ? read_array(array, depth + 1) : nlohmann::json();
    }
    case AMQP_FIELD_KIND_VOID: return nullptr;
    default: return reader.bytes(static_cast<std::size_t>(-1)), nlohmann::json();   // its length is unknown
  }
}

/// Calls `see(name, kind and value, all of it)` for each until it returns false.
template <class See>
void walk(std::string_view table, See see) {
  Reader reader(table);
  while (!reader.empty()) {
    const char* const begin = reader.place();
    const std::string_view name = reader.short_text();
    const char* const at = reader.place();
    if (!reader.empty() && *at == AMQP_FIELD_KIND_UTF8) {
      reader.bytes(1);
      reader.long_text();
    } else {
      read_value(reader, deepest);   // only to get past it
    }
    if (!reader.ok()) return;
    if (!see(name, std::string_view(at, static_cast<std::size_t>(reader.place() - at)),
             std::string_view(begin, static_cast<std::size_t>(reader.place() - begin)))) {
      return;
    }
  }
}

std::string text_form(std::string_view value) {
  Reader reader(value);
  const nlohmann::json json = read_value(reader, 0);
  return json.is_string() ? json.get<std::string>() : json.dump();
}

}  // namespace

bool read_properties(std::string_view encoded, Properties& p) {
  Reader reader(encoded);
  const auto flags = reader.number<std::uint16_t>();
  if ((flags & 1) != 0) return false;   // more flags than AMQP 0-9-1 has
  const auto has = [flags](unsigned bit) { return (flags & bit) != 0; };
  if (has(AMQP_BASIC_CONTENT_TYPE_FLAG)) p.content_type = reader.short_text();
  if (has(AMQP_BASIC_CONTENT_ENCODING_FLAG)) p.content_encoding = reader.short_text();
  if (has(AMQP_BASIC_HEADERS_FLAG)) p.headers = reader.long_text();
  if (has(AMQP_BASIC_DELIVERY_MODE_FLAG)) p.delivery_mode = reader.number<std::uint8_t>();
  if (has(AMQP_BASIC_PRIORITY_FLAG)) p.priority = reader.number<std::uint8_t>();
  if (has(AMQP_BASIC_CORRELATION_ID_FLAG)) p.correlation_id = reader.short_text();
  if (has(AMQP_BASIC_REPLY_TO_FLAG)) p.reply_to = reader.short_text();
  if (has(AMQP_BASIC_EXPIRATION_FLAG)) p.expiration = reader.short_text();
  if (has(AMQP_BASIC_MESSAGE_ID_FLAG)) p.message_id = reader.short_text();
  if (has(AMQP_BASIC_TIMESTAMP_FLAG)) p.timestamp = reader.number<std::uint64_t>();
  if (has(AMQP_BASIC_TYPE_FLAG)) p.type = reader.short_text();
  if (has(AMQP_BASIC_USER_ID_FLAG)) p.user_id = reader.short_text();
  if (has(AMQP_BASIC_APP_ID_FLAG)) p.app_id = reader.short_text();
  if (has(AMQP_BASIC_CLUSTER_ID_FLAG)) p.cluster_id = reader.short_text();
  return reader.ok();
}

void append_properties(std::string& out, const Properties& p) {
  const std::size_t at = out.size();
  unsigned flags = 0;
  append_number(out, std::uint16_t{0});
  const auto text = [&](unsigned bit, const std::optional<std::string_view>& value) {
    if (!value) return;
    flags |= bit;
    out += static_cast<char>(value->size());
    out += *value;
  };
  const auto number = [&](unsigned bit, const auto& value) {
    if (!value) return;
    flags |= bit;
    append_number(out, *value);
  };
  text(AMQP_BASIC_CONTENT_TYPE_FLAG, p.content_type);
  text(AMQP_BASIC_CONTENT_ENCODING_FLAG, p.content_encoding);
  if (p.headers) {
    flags |= AMQP_BASIC_HEADERS_FLAG;
    append_number(out, static_cast<std::uint32_t>(p.headers->size()));
    out += *p.headers;
  }
  number(AMQP_BASIC_DELIVERY_MODE_FLAG, p.delivery_mode);
  number(AMQP_BASIC_PRIORITY_FLAG, p.priority);
  text(AMQP_BASIC_CORRELATION_ID_FLAG, p.correlation_id);
  text(AMQP_BASIC_REPLY_TO_FLAG, p.reply_to);
  text(AMQP_BASIC_EXPIRATION_FLAG, p.expiration);
  text(AMQP_BASIC_MESSAGE_ID_FLAG, p.message_id);
  number(AMQP_BASIC_TIMESTAMP_FLAG, p.timestamp);
  text(AMQP_BASIC_TYPE_FLAG, p.type);
  text(AMQP_BASIC_USER_ID_FLAG, p.user_id);
  text(AMQP_BASIC_APP_ID_FLAG, p.app_id);
  text(AMQP_BASIC_CLUSTER_ID_FLAG, p.cluster_id);
  out[at] = static_cast<char>(flags >> 8);
  out[at + 1] = static_cast<char>(flags);
}

std::optional<std::string> find_header(std::string_view table, std::string_view name) {
  std::optional<std::string> found;
  walk(table, [&](std::string_view key, std::string_view value, std::string_view) {
    if (key == name) found = text_form(value);
    return key != name;
  });
  return found;
}

Headers headers_of(std::string_view table) {
  std::vector<Headers::Entry> all;
  walk(table, [&](std::string_view key, std::string_view value, std::string_view) {
    all.emplace_back(detail::replace_invalid_utf8(key), text_form(value));
    return true;
  });
  return Headers::of(std::move(all));
}

void append_header(std::string& table, std::string_view name, std::string_view value) {
  table += static_cast<char>(name.size());
  table += name;
  table += static_cast<char>(AMQP_FIELD_KIND_UTF8);
  append_number(table, static_cast<std::uint32_t>(value.size()));
  table += value;
}

std::string without_header(std::string_view table, std::string_view name) {
  std::string rest;
  walk(table, [&](std::string_view key, std::string_view, std::string_view entry) {
    if (key != name) rest += entry;
    return true;
  });
  return rest;
}

}  // namespace ferry::rmq
