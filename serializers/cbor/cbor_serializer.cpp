#include "cbor_serializer.hpp"

namespace ferry::serializers {
namespace {

enum Major : unsigned { positive, negative, bytes, text, array, map, tag, simple };   // RFC 8949, 3.1

/// The chunks of an indefinite text or byte string, up to the stop.
const char* read_chunks(Cursor& cursor, Major major, Head& head) noexcept {
  head.truthy = major == Major::bytes;
  for (;;) {
    std::uint8_t lead = 0;
    std::uint64_t size = 0;
    std::string_view chunk;
    if (!cursor.read_byte(lead)) return ends_too_early;
    if (lead == 0xFF) return nullptr;
    const unsigned info = lead & 0x1FU;
    if (lead >> 5 != major || info > 27) return "a chunk of another type";
    if (info < 24) {
      size = info;
    } else if (!cursor.read_number(1U << (info - 24), size)) {
      return ends_too_early;
    }
    if (!cursor.read_span(size, chunk)) return ends_too_early;
    head.truthy = head.truthy || size != 0;
  }
}

const char* read_indefinite(Cursor& cursor, Major major, Head& head) noexcept {
  switch (major) {
    case Major::bytes:
    case Major::text: return read_chunks(cursor, major, head);
    case Major::array:
    case Major::map:
      head.kind = major == Major::map ? Head::Kind::map : Head::Kind::array;
      head.indefinite = true;
      return nullptr;
    case Major::simple: head.kind = Head::Kind::stop; return nullptr;
    default: return "a number of indefinite length";
  }
}

const char* set_simple(unsigned info, std::uint64_t number, Head& head) noexcept {
  if (info >= 25) {
    head.truthy = is_truthy_float(number, 1U << (info - 24));
  } else if (info == 24) {
    if (number < 32) return "a simple value in two bytes that has a form of one";
  } else {
    head.truthy = info != 20 && info != 22 && info != 23;   // false, null, undefined
  }
  return nullptr;
}

void append_size(std::string& out, Major major, std::uint64_t size) {
  const unsigned width = size < 24 ? 0 : size <= 0xFF ? 1 : size <= 0xFFFF ? 2 : size <= 0xFFFFFFFF ? 4 : 8;
  const unsigned info = width == 0 ? static_cast<unsigned>(size) : width == 1 ? 24 : width == 2 ? 25 : width == 4 ? 26 : 27;
  out += static_cast<char>((major << 5) | info);
  append_number(out, size, width);
}

}  // namespace

const char* Cbor::read_head(Cursor& cursor, Head& head) noexcept {
  std::uint8_t lead = 0;
  if (!cursor.read_byte(lead)) return ends_too_early;
  const auto major = static_cast<Major>(lead >> 5);
  const unsigned info = lead & 0x1FU;
  if (info == 31) return read_indefinite(cursor, major, head);
  if (info > 27) return "a length that CBOR reserves";
  std::uint64_t number = info;
  if (info >= 24 && !cursor.read_number(1U << (info - 24), number)) return ends_too_early;
  switch (major) {
    case Major::positive: head.truthy = number != 0; return nullptr;
    case Major::negative: return number > INT64_MAX ? "a negative integer of more than 64 bits" : nullptr;
    case Major::bytes: return cursor.read_span(number, head.bytes) ? nullptr : ends_too_early;
    case Major::text:
      head.kind = Head::Kind::text;
      head.truthy = number != 0;
      return cursor.read_span(number, head.bytes) ? nullptr : ends_too_early;
    case Major::array:
    case Major::map:
      head.kind = major == Major::map ? Head::Kind::map : Head::Kind::array;
      head.count = number;
      return nullptr;
    case Major::tag:
      head.kind = Head::Kind::tag;
      head.count = 1;
      return nullptr;
    case Major::simple: break;
  }
  return set_simple(info, number, head);
}

void Cbor::append_map(std::string& out, std::size_t pairs) { append_size(out, Major::map, pairs); }

void Cbor::append_text(std::string& out, std::string_view text) {
  append_size(out, Major::text, text.size());
  out += text;
}

void Cbor::append_bytes(std::string& out, std::string_view bytes) {
  append_size(out, Major::bytes, bytes.size());
  out += bytes;
}

void Cbor::append_json(std::string& out, const nlohmann::json& value) { nlohmann::json::to_cbor(value, out); }

nlohmann::json Cbor::parse(std::string_view item) {
  return nlohmann::json::from_cbor(item.begin(), item.end(), true, false, nlohmann::json::cbor_tag_handler_t::ignore);
}

template class BinarySerializer<Cbor>;

}  // namespace ferry::serializers
