#pragma once
// The serializer contract: how values and envelopes become bytes. One serializer a client or service, chosen by config.
// A serializer is stateless and shared: every function may be called from any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/pattern.hpp"

namespace ferry::spi {

/// What goes around the payload of a request (`id` not empty) or an event.
struct RequestEnvelope {
  const Pattern* pattern = nullptr;
  bool pattern_as_route = false;       ///< send the route as a string (NestJS's TCP events)
  bool has_payload = false;
  const Headers* headers = nullptr;    ///< null or empty: no metadata member
  std::string_view id = {};            ///< plain text
};

enum class ReplyKind : std::uint8_t {
  item,        ///< a value, more may follow
  last_item,   ///< a value, and the end
  end,         ///< the end, no value
  error,       ///< the handler's error, and the end; the payload is the error's body
  no_handler,  ///< nobody handles the pattern
};

/// What goes around the payload of a reply.
struct ReplyEnvelope {
  ReplyKind kind = ReplyKind::end;
  std::string_view id = {};   ///< as `RequestView::id` gave it; empty: the transport matches replies by itself (RMQ)
};

/// A request or event as read: views into the body.
struct RequestView {
  enum class PatternForm : std::uint8_t { absent, json, text };
  PatternForm pattern_form = PatternForm::absent;
  std::string_view pattern = {};   ///< JSON text (`json`), or plain text (`text`)
  bool has_payload = false;
  std::string_view payload = {};
  bool has_id = false;             ///< no id: an event
  std::string_view id = {};        ///< raw, as the serializer wants it back in `ReplyEnvelope`
  std::string_view headers = {};   ///< raw, for `read_headers`; empty if there are none
};

class Serializer;

/// A reply as read, by NestJS's rules for a client: views into the body.
struct ReplyView {
  std::string_view id = {};        ///< plain text; empty if there is none
  bool has_value = false;
  std::string_view value = {};     ///< of a foreign reply: the whole body
  bool failed = false;             ///< an `err` that is truthy
  std::string_view error = {};
  bool last = false;
  const Serializer* serializer = nullptr;   ///< of the value, if that is not the client's
};

class Serializer {
 public:
  virtual ~Serializer() = default;

  virtual std::string_view name() const noexcept = 0;
  /// True if payloads are JSON text: then typed values are read and written directly, with no tree in between.
  virtual bool json_text() const noexcept = 0;
  /// True if a body is UTF-8 text, which the TCP transport frames by UTF-16 units; false: by bytes.
  virtual bool text() const noexcept = 0;
  /// True if a peer may have sent numbers, booleans and null as their plain text: then the payload `"5"` is read as 5 by who
  /// asks for a number. A transport without envelopes says so (`Transport::serializer`).
  virtual bool text_scalars() const noexcept { return false; }
  /// True if payloads are messages in Protobuf's wire format: those of generated classes need no JSON in between.
  virtual bool protobuf() const noexcept { return false; }
  /// What the bodies of errors are written with, where they are not of the payloads' format.
  virtual const Serializer& errors() const noexcept { return *this; }
  /// The error that a caller is told whose payload cannot be read, or whose reply cannot be written.
  virtual nlohmann::json payload_error(std::string_view what) const { return {{"status", "error"}, {"message", what}}; }

  // Values. `encode...` append to `out`.
  virtual void encode(const nlohmann::json& value, std::string& out) const = 0;
  virtual Result<nlohmann::json> decode(std::string_view payload) const = 0;
  virtual void encode_bytes(std::string_view bytes, std::string& out) const = 0;
  virtual Result<std::string> decode_bytes(std::string_view payload) const = 0;
  /// A payload as JSON text: for errors, logs and the command line.
  virtual Result<std::string> to_json_text(std::string_view payload) const = 0;

  // Envelopes: what stands before the payload is appended to `head`, what follows it to `tail`.
  virtual void write_request(const RequestEnvelope& envelope, std::string& head, std::string& tail) const = 0;
  virtual void write_reply(const ReplyEnvelope& envelope, std::string& head, std::string& tail) const = 0;
  /// Null, or what is wrong with the body. The whole body is checked, the payload included.
  virtual const char* read_request(std::string_view body, RequestView& out) const = 0;
  virtual const char* read_reply(std::string_view body, ReplyView& out) const = 0;
  virtual Headers read_headers(std::string_view raw) const = 0;
};

}  // namespace ferry::spi
