#pragma once
// AMQP's frames. What stands in a method's frame is encoded and decoded by rabbitmq-c.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <amqp.h>
#include <amqp_framing.h>

#include "transports/rmq/properties.hpp"

namespace ferry::rmq {

inline constexpr std::size_t frame_overhead = 8;              // type, channel, size, and the octet that ends it
inline constexpr std::string_view protocol_header("AMQP\0\0\x09\x01", 8);
inline constexpr char frame_end = '\xCE';

/// A view into what was received.
struct Frame {
  std::uint8_t type = 0;
  std::uint16_t channel = 0;
  std::string_view payload;
};

enum class FrameStep : std::uint8_t { frame, more, broken };

/// Takes the first frame off `bytes`. `broken`: no frame begins there, or one larger than `most`. `needed`: of `more`, how
/// many bytes there will be at least.
FrameStep read_frame(std::string_view& bytes, std::size_t most, Frame& frame, std::size_t& needed);

/// A method, decoded: `as<amqp_basic_deliver_t>()`. Views into the frame and into rabbitmq-c's pool.
struct Method {
  std::uint16_t channel = 0;
  amqp_method_number_t id = 0;
  void* decoded = nullptr;
  template <class T>
  const T& as() const noexcept { return *static_cast<const T*>(decoded); }
};
/// False if the payload is no method that rabbitmq-c knows.
bool read_method(const Frame& frame, amqp_pool_t& pool, Method& method);

/// Appends a method's frame; false if the method does not fit into one of 128 KiB. Texts of up to 255 bytes only (the
/// caller's business: rabbitmq-c does not look).
bool append_method(std::string& out, std::uint16_t channel, amqp_method_number_t id, void* decoded);
void append_heartbeat(std::string& out);

/// What a message goes out with, beside its body.
struct Publication {
  std::string_view exchange;
  std::string_view routing_key;
  bool mandatory = false;
  const Properties* properties = nullptr;
};
/// Appends the frames before the body's: false if the properties do not fit into a frame of `frame_max`.
bool append_content_head(std::string& out, std::uint16_t channel, const Publication& message, std::size_t body,
                         std::size_t frame_max);
void append_body_head(std::string& out, std::uint16_t channel, std::size_t size);

/// The header frame of a content: the size of the body, and the encoded properties.
bool read_content_head(const Frame& frame, std::uint64_t& body, std::string_view& properties);

inline amqp_bytes_t bytes_of(std::string_view text) noexcept {
  return {text.size(), const_cast<char*>(text.data())};
}
inline std::string_view text_of(const amqp_bytes_t& bytes) noexcept {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

inline constexpr std::size_t most_short_text = 255;   // of queues, exchanges, routing keys and most properties

}  // namespace ferry::rmq
