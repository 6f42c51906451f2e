#pragma once
// What can go wrong on a connection beyond the system's own codes, in NestJS's words where NestJS has words for it.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include "ferry/error.hpp"
#include "transports/common/net/error.hpp"

namespace ferry::tcp {

using namespace net;   // sockets, TLS, buffers and their errors, as every transport that does its own I/O has them

enum class TcpError {
  corrupt_length = 1,   ///< no digits before '#'
  packet_too_long,      ///< more than maxBufferSize unread
  bad_body,             ///< the body is no message
  peer_stalled,         ///< silence in the middle of a packet
  peer_not_reading,     ///< more than maxSendBufferSize queued
  too_many_connections,
  too_much_held,        ///< more than maxTotalBufferSize for all peers together
};

const std::error_category& tcp_category() noexcept;
std::error_code make_error_code(TcpError value) noexcept;

// NestJS's local error texts. Received text is cut short where it is long: a log is no place for a whole packet.
std::string corrupt_length_text(std::string_view raw);
std::string too_long_text(std::size_t length);
std::string bad_body_text(std::string_view why, std::string_view body);
std::string stalled_text(std::size_t buffered, std::chrono::milliseconds limit);
std::string not_reading_text(std::size_t queued, std::size_t limit);
std::string held_too_much_text(std::size_t held, std::size_t limit);

}  // namespace ferry::tcp

template <>
struct std::is_error_code_enum<ferry::tcp::TcpError> : std::true_type {};
