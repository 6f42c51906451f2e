#include "transports/tcp/error.hpp"

#include "ferry/detail/utf.hpp"

namespace ferry::tcp {
namespace {

constexpr std::size_t longest_quote = 1024;   // bytes

class TcpCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.tcp"; }

  std::string message(int value) const override {
    switch (static_cast<TcpError>(value)) {
      case TcpError::corrupt_length: return "a packet without a length";
      case TcpError::packet_too_long: return "a packet longer than allowed";
      case TcpError::bad_body: return "a packet that is no message";
      case TcpError::peer_stalled: return "the peer stopped in the middle of a packet";
      case TcpError::peer_not_reading: return "the peer does not read what is sent to it";
      case TcpError::too_many_connections: return "too many connections";
      case TcpError::too_much_held: return "more is held for all peers together than allowed";
    }
    return "unknown TCP transport error " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<TcpError>(value)) {
      case TcpError::corrupt_length:
      case TcpError::packet_too_long:
      case TcpError::bad_body:
      case TcpError::peer_stalled: return errc::bad_message;
      case TcpError::peer_not_reading:
      case TcpError::too_many_connections:
      case TcpError::too_much_held: return errc::overloaded;
    }
    return errc::transport_failure;
  }
};

std::string quote(std::string_view text) {
  if (text.size() <= longest_quote) return detail::replace_invalid_utf8(text);
  // The cut may fall into a character; what is left of it must not look like the peer's fault.
  std::size_t end = longest_quote;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return detail::replace_invalid_utf8(text.substr(0, end)) + "... (" + std::to_string(text.size()) + " bytes)";
}

}  // namespace

const std::error_category& tcp_category() noexcept {
  static const TcpCategory& category = *new TcpCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_error_code(TcpError value) noexcept { return {static_cast<int>(value), tcp_category()}; }

std::string corrupt_length_text(std::string_view raw) {
  return "Corrupted length value \"" + quote(raw) + "\" supplied in a packet";
}

std::string too_long_text(std::size_t length) {
  return "The packet length (" + std::to_string(length) + ") exceeds the maximum allowed length";
}

std::string bad_body_text(std::string_view why, std::string_view body) {
  return "Could not parse JSON: " + std::string(why) + "\nRequest data: " + quote(body);
}

std::string stalled_text(std::size_t buffered, std::chrono::milliseconds limit) {
  return "The remote peer stopped sending in the middle of a packet (" + std::to_string(buffered) +
         " character(s) buffered) and did not send anything for " + std::to_string(limit.count()) + "ms";
}

std::string not_reading_text(std::size_t queued, std::size_t limit) {
  return "The remote peer is not reading its responses: " + std::to_string(queued) +
         " byte(s) are queued for it, which exceeds the maximum allowed " + std::to_string(limit);
}

std::string held_too_much_text(std::size_t held, std::size_t limit) {
  return std::to_string(held) + " byte(s) are held for all peers together, which exceeds the maximum allowed " +
         std::to_string(limit) + " (maxTotalBufferSize)";
}

}  // namespace ferry::tcp
