#include "transports/grpc/envelope.hpp"

#include <algorithm>

#include "transports/grpc/wire.hpp"

namespace ferry::grpc::envelope {
namespace {

namespace message_field {
constexpr std::uint32_t text = 1, json = 2, header = 3, serializer = 4, id = 5, timeout = 6, stream = 7, payload = 15;
}
namespace header_field {
constexpr std::uint32_t name = 1, value = 2;
}
namespace events_field {
constexpr std::uint32_t event = 1;
}
namespace reply_field {
constexpr std::uint32_t kind = 1, payload = 15;
}

constexpr std::chrono::milliseconds longest_timeout = std::chrono::hours(24 * 365);

bool read_header(std::string_view bytes, Message& out) {
  wire::Reader reader(bytes);
  std::pair<std::string_view, std::string_view> header;
  while (reader.next()) {
    const bool text = reader.type() == wire::Type::length;
    if (text && reader.number() == header_field::name) reader.bytes(header.first);
    else if (text && reader.number() == header_field::value) reader.bytes(header.second);
    else reader.skip();
  }
  out.headers.push_back(header);
  return !reader.failed();
}

bool read_text(wire::Reader& reader, Message& out) {
  using Form = spi::RequestView::PatternForm;
  std::string_view text;
  if (!reader.bytes(text)) return false;
  switch (reader.number()) {
    case message_field::text:
      out.view.pattern_form = Form::text;
      out.view.pattern = text;
      return true;
    case message_field::json:
      out.view.pattern_form = Form::json;
      out.view.pattern = text;
      return true;
    case message_field::header: return read_header(text, out);
    case message_field::serializer: out.serializer = text; return true;
    case message_field::id: out.view.id = text; return true;
    case message_field::payload:
      out.view.has_payload = true;
      out.view.payload = text;
      return true;
    default: return true;   // of a newer ferry
  }
}

}  // namespace

void write_head(const spi::OutgoingMessage& message, std::string_view serializer, std::chrono::milliseconds timeout,
                std::string& out) {
  const Pattern& pattern = *message.pattern;
  if (pattern.is_object()) wire::append_bytes(out, message_field::json, pattern.json());
  else wire::append_bytes(out, message_field::text, pattern.route());
  for (const auto& [name, value] : *message.headers) {
    std::string header;
    wire::append_bytes(header, header_field::name, name);
    wire::append_bytes(header, header_field::value, value);
    wire::append_bytes(out, message_field::header, header);
  }
  if (serializer != "json") wire::append_bytes(out, message_field::serializer, serializer);
  if (!message.id.empty()) wire::append_bytes(out, message_field::id, message.id);
  if (timeout.count() > 0) wire::append_number(out, message_field::timeout, static_cast<std::uint64_t>(timeout.count()));
  if (message.request_stream) wire::append_number(out, message_field::stream, 1);
  if (message.has_payload) wire::append_length(out, message_field::payload, message.payload->size());
}

const char* read(std::string_view bytes, Message& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.type() == wire::Type::length) {
      if (!read_text(reader, out)) return "a field of the message is cut short";
    } else if (reader.type() == wire::Type::varint && reader.number() == message_field::timeout) {
      std::uint64_t value = 0;
      reader.varint(value);
      const auto most = static_cast<std::uint64_t>(longest_timeout.count());
      out.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(std::min(value, most)));
    } else if (reader.type() == wire::Type::varint && reader.number() == message_field::stream) {
      std::uint64_t value = 0;
      reader.varint(value);
      out.stream = value != 0;
    } else {
      reader.skip();
    }
  }
  if (reader.failed()) return "it is no ferry.v1.Message";
  return out.view.pattern_form == spi::RequestView::PatternForm::absent ? "the message has no pattern" : nullptr;
}

void write_next(std::size_t payload, std::string& out) { wire::append_length(out, message_field::payload, payload); }

const char* read_next(std::string_view bytes, std::string_view& payload) {
  wire::Reader reader(bytes);
  payload = {};
  while (reader.next()) {
    if (reader.number() == message_field::payload && reader.type() == wire::Type::length) reader.bytes(payload);
    else reader.skip();
  }
  return reader.failed() ? "it is no ferry.v1.Message" : nullptr;
}

const char* read_events(std::string_view bytes, std::vector<std::string_view>& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    std::string_view event;
    if (reader.type() == wire::Type::length && reader.number() == events_field::event) {
      if (reader.bytes(event)) out.push_back(event);
    } else {
      reader.skip();
    }
  }
  return reader.failed() ? "it is no ferry.v1.Events" : nullptr;
}

void append_event(std::string_view head, std::string_view payload, std::string& out) {
  wire::append_length(out, events_field::event, head.size() + payload.size());
  out.append(head).append(payload);
}

void write_reply_head(spi::ReplyKind kind, std::size_t payload, std::string& out) {
  if (kind != spi::ReplyKind::item) wire::append_number(out, reply_field::kind, static_cast<std::uint64_t>(kind));
  if (payload > 0) wire::append_length(out, reply_field::payload, payload);
}

const char* read(std::string_view bytes, Reply& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    std::uint64_t kind = 0;
    if (reader.number() == reply_field::kind && reader.type() == wire::Type::varint) {
      if (reader.varint(kind) && kind > static_cast<std::uint64_t>(spi::ReplyKind::no_handler)) return "a reply of an unknown kind";
      out.kind = static_cast<spi::ReplyKind>(kind);
    } else if (reader.number() == reply_field::payload && reader.type() == wire::Type::length) {
      reader.bytes(out.payload);
    } else {
      reader.skip();
    }
  }
  return reader.failed() ? "it is no ferry.v1.Reply" : nullptr;
}

}  // namespace ferry::grpc::envelope
