#include "transports/rmq/frame.hpp"

#include <array>
#include <memory>

#include "transports/rmq/number.hpp"

namespace ferry::rmq {
namespace {

constexpr std::size_t largest_method = std::size_t{128} << 10;

template <class T>
T read_number(const char* at) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | static_cast<unsigned char>(at[i]));
  return value;
}

void append_frame_head(std::string& out, int type, std::uint16_t channel, std::size_t size) {
  out += static_cast<char>(type);
  append_number(out, channel);
  append_number(out, static_cast<std::uint32_t>(size));
}

void set_size(std::string& out, std::size_t frame) {
  const std::size_t size = out.size() - frame - (frame_overhead - 1);
  std::string digits;
  append_number(digits, static_cast<std::uint32_t>(size));
  out.replace(frame + 3, 4, digits);
}

}  // namespace

FrameStep read_frame(std::string_view& bytes, std::size_t most, Frame& frame, std::size_t& needed) {
  needed = frame_overhead;
  if (!bytes.empty()) {
    const auto type = static_cast<std::uint8_t>(bytes.front());
    if (type != AMQP_FRAME_METHOD && type != AMQP_FRAME_HEADER && type != AMQP_FRAME_BODY && type != AMQP_FRAME_HEARTBEAT) {
      return FrameStep::broken;
    }
  }
  if (bytes.size() < frame_overhead - 1) return FrameStep::more;
  const std::size_t size = read_number<std::uint32_t>(bytes.data() + 3);
  if (size + frame_overhead > most) return FrameStep::broken;
  needed = size + frame_overhead;
  if (bytes.size() < needed) return FrameStep::more;
  if (bytes[needed - 1] != frame_end) return FrameStep::broken;
  frame.type = static_cast<std::uint8_t>(bytes.front());
  frame.channel = read_number<std::uint16_t>(bytes.data() + 1);
  frame.payload = bytes.substr(frame_overhead - 1, size);
  bytes.remove_prefix(needed);
  return FrameStep::frame;
}

bool read_method(const Frame& frame, amqp_pool_t& pool, Method& method) {
  if (frame.payload.size() < 4) return false;
  method.channel = frame.channel;
  method.id = read_number<std::uint32_t>(frame.payload.data());
  return amqp_decode_method(method.id, &pool, bytes_of(frame.payload.substr(4)), &method.decoded) == AMQP_STATUS_OK;
}

bool append_method(std::string& out, std::uint16_t channel, amqp_method_number_t id, void* decoded) {
  const std::size_t frame = out.size();
  append_frame_head(out, AMQP_FRAME_METHOD, channel, 0);
  append_number(out, static_cast<std::uint32_t>(id));
  // rabbitmq-c writes into memory of a fixed size, and says so if it was too little.
  std::array<char, 1024> small;
  int size = amqp_encode_method(id, decoded, {small.size(), small.data()});
  if (size >= 0) {
    out.append(small.data(), static_cast<std::size_t>(size));
  } else {
    const auto large = std::make_unique_for_overwrite<char[]>(largest_method);
    size = amqp_encode_method(id, decoded, {largest_method, large.get()});
    if (size < 0) return out.resize(frame), false;
    out.append(large.get(), static_cast<std::size_t>(size));
  }
  set_size(out, frame);
  out += frame_end;
  return true;
}

void append_heartbeat(std::string& out) {
  append_frame_head(out, AMQP_FRAME_HEARTBEAT, 0, 0);
  out += frame_end;
}

/// basic.publish is written by hand: it stands before every message.
bool append_content_head(std::string& out, std::uint16_t channel, const Publication& message, std::size_t body,
                         std::size_t frame_max) {
  append_frame_head(out, AMQP_FRAME_METHOD, channel, 9 + message.exchange.size() + message.routing_key.size());
  append_number(out, static_cast<std::uint32_t>(AMQP_BASIC_PUBLISH_METHOD));
  append_number(out, std::uint16_t{0});   // what once was a ticket
  out += static_cast<char>(message.exchange.size());
  out += message.exchange;
  out += static_cast<char>(message.routing_key.size());
  out += message.routing_key;
  out += static_cast<char>(message.mandatory ? 1 : 0);
  out += frame_end;

  const std::size_t frame = out.size();
  append_frame_head(out, AMQP_FRAME_HEADER, channel, 0);
  append_number(out, std::uint16_t{AMQP_BASIC_CLASS});
  append_number(out, std::uint16_t{0});   // weight
  append_number(out, static_cast<std::uint64_t>(body));
  append_properties(out, *message.properties);
  if (out.size() + 1 - frame > frame_max) return false;
  set_size(out, frame);
  out += frame_end;
  return true;
}

void append_body_head(std::string& out, std::uint16_t channel, std::size_t size) {
  append_frame_head(out, AMQP_FRAME_BODY, channel, size);
}

bool read_content_head(const Frame& frame, std::uint64_t& body, std::string_view& properties) {
  constexpr std::size_t before = 12;   // class, weight, size
  if (frame.payload.size() < before + 2 || read_number<std::uint16_t>(frame.payload.data()) != AMQP_BASIC_CLASS) return false;
  body = read_number<std::uint64_t>(frame.payload.data() + 4);
  properties = frame.payload.substr(before);
  return true;
}

}  // namespace ferry::rmq
