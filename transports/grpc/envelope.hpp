#pragma once
// The messages of proto/ferry/v1/envelope.proto.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/transport.hpp"

namespace ferry::grpc::envelope {

inline constexpr std::string_view send_path = "/ferry.v1.Envelope/Send";
inline constexpr std::string_view emit_path = "/ferry.v1.Envelope/Emit";

/// A request or an event as read: views into the body.
struct Message {
  spi::RequestView view;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view serializer = "json";
  std::chrono::milliseconds timeout{0};   // 0: not told
  bool stream = false;                    // of a stream of requests, the first message, which has no payload
};

/// Everything of a message but its payload, which has to follow where there is one. `timeout` is told where it is not 0.
void write_head(const spi::OutgoingMessage& message, std::string_view serializer, std::chrono::milliseconds timeout,
                std::string& out);
/// Null, or what is wrong with the bytes.
const char* read(std::string_view bytes, Message& out);
/// One more message of a stream of requests: everything but its payload, which has to follow.
void write_next(std::size_t payload, std::string& out);
const char* read_next(std::string_view bytes, std::string_view& payload);
/// The events of one message, each to be given to `read`.
const char* read_events(std::string_view bytes, std::vector<std::string_view>& out);
/// One of them, for the front of a message of several.
void append_event(std::string_view head, std::string_view payload, std::string& out);

/// Everything of a reply but its payload.
void write_reply_head(spi::ReplyKind kind, std::size_t payload, std::string& out);
struct Reply {
  spi::ReplyKind kind = spi::ReplyKind::item;
  std::string_view payload;
};
const char* read(std::string_view bytes, Reply& out);

}  // namespace ferry::grpc::envelope
