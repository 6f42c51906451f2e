#include "msgpack_serializer.hpp"

namespace ferry::serializers {
namespace {

const char* read_content(Cursor& cursor, std::uint64_t size, Head& head, Head::Kind kind) noexcept {
  if (!cursor.read_span(size, head.bytes)) return ends_too_early;
  head.kind = kind;
  head.truthy = kind != Head::Kind::text || size != 0;
  return nullptr;
}

const char* set_count(std::uint64_t count, Head& head, Head::Kind kind) noexcept {
  head.kind = kind;
  head.count = count;
  return nullptr;
}

/// What follows the bytes 0xC0 to 0xDF.
const char* read_long_head(Cursor& cursor, std::uint8_t lead, Head& head) noexcept {
  using Kind = Head::Kind;
  std::uint64_t number = 0;
  const auto sized = [&](unsigned width) { return cursor.read_number(width, number); };
  switch (lead) {
    case 0xC0:   // nil
    case 0xC2: head.truthy = false; return nullptr;
    case 0xC3: return nullptr;
    case 0xC4:   // bin
    case 0xC5:
    case 0xC6: return sized(1U << (lead - 0xC4)) ? read_content(cursor, number, head, Kind::scalar) : ends_too_early;
    case 0xC7:   // ext, with a byte of type
    case 0xC8:
    case 0xC9: return sized(1U << (lead - 0xC7)) ? read_content(cursor, number + 1, head, Kind::scalar) : ends_too_early;
    case 0xCA:   // float
    case 0xCB: {
      const unsigned width = lead == 0xCA ? 4 : 8;
      if (!sized(width)) return ends_too_early;
      head.truthy = is_truthy_float(number, width);
      return nullptr;
    }
    case 0xCC:   // uint
    case 0xCD:
    case 0xCE:
    case 0xCF:
    case 0xD0:   // int
    case 0xD1:
    case 0xD2:
    case 0xD3:
      if (!sized(1U << (lead & 3U))) return ends_too_early;
      head.truthy = number != 0;
      return nullptr;
    case 0xD4:   // fixext
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8: return read_content(cursor, (1U << (lead - 0xD4)) + 1, head, Kind::scalar);
    case 0xD9:   // str
    case 0xDA:
    case 0xDB: return sized(1U << (lead - 0xD9)) ? read_content(cursor, number, head, Kind::text) : ends_too_early;
    case 0xDC:   // array
    case 0xDD: return sized(2U << (lead - 0xDC)) ? set_count(number, head, Kind::array) : ends_too_early;
    case 0xDE:   // map
    case 0xDF: return sized(2U << (lead - 0xDE)) ? set_count(number, head, Kind::map) : ends_too_early;
    default: return "a byte that msgpack does not use";
  }
}

/// `leads` of the 8, 16 and 32 bit forms; 0 for a form that there is not.
void append_size(std::string& out, std::size_t size, std::uint8_t lead8, std::uint8_t lead16, std::uint8_t lead32) {
  const unsigned width = size <= 0xFF && lead8 != 0 ? 1 : size <= 0xFFFF ? 2 : 4;
  out += static_cast<char>(width == 1 ? lead8 : width == 2 ? lead16 : lead32);
  append_number(out, size, width);
}

}  // namespace

const char* Msgpack::read_head(Cursor& cursor, Head& head) noexcept {
  std::uint8_t lead = 0;
  if (!cursor.read_byte(lead)) return ends_too_early;
  if (lead < 0x80 || lead >= 0xE0) {
    head.truthy = lead != 0;
    return nullptr;
  }
  if (lead < 0x90) return set_count(lead & 0x0FU, head, Head::Kind::map);
  if (lead < 0xA0) return set_count(lead & 0x0FU, head, Head::Kind::array);
  if (lead < 0xC0) return read_content(cursor, lead & 0x1FU, head, Head::Kind::text);
  return read_long_head(cursor, lead, head);
}

void Msgpack::append_map(std::string& out, std::size_t pairs) {
  if (pairs < 16) {
    out += static_cast<char>(0x80 | pairs);
  } else {
    append_size(out, pairs, 0, 0xDE, 0xDF);
  }
}

void Msgpack::append_text(std::string& out, std::string_view text) {
  if (text.size() < 32) {
    out += static_cast<char>(0xA0 | text.size());
  } else {
    append_size(out, text.size(), 0xD9, 0xDA, 0xDB);
  }
  out += text;
}

void Msgpack::append_bytes(std::string& out, std::string_view bytes) {
  append_size(out, bytes.size(), 0xC4, 0xC5, 0xC6);
  out += bytes;
}

void Msgpack::append_json(std::string& out, const nlohmann::json& value) { nlohmann::json::to_msgpack(value, out); }

nlohmann::json Msgpack::parse(std::string_view item) {
  return nlohmann::json::from_msgpack(item.begin(), item.end(), true, false);
}

template class BinarySerializer<Msgpack>;

}  // namespace ferry::serializers
