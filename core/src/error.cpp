#include "ferry/error.hpp"

#include <array>
#include <optional>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"

namespace ferry {
namespace {

using nlohmann::json;

constexpr int first_errc = static_cast<int>(errc::timed_out);
constexpr int last_errc = static_cast<int>(errc::transport_failure);

// In the order of `errc`.
constexpr std::array<const char*, last_errc> messages{
    "the deadline passed",
    "the operation was cancelled",
    "the client, service or application is closed",
    "not connected",
    "the connection was lost",
    "the remote service has no handler for the pattern",
    "the remote handler answered with an error",
    "the payload cannot be encoded or decoded",
    "the pattern cannot work on this transport",
    "the peer sent bytes that are no message",
    "a limit was reached",
    "the circuit breaker is open",
    "the remote handler completed without a value",
    "the configuration is wrong",
    "the plugin is missing or does not fit this build",
    "the transport cannot do what was asked",
    "the transport failed",
};

std::optional<errc> from_generic(std::errc value) {
  switch (value) {
    case std::errc::connection_refused:
    case std::errc::host_unreachable:
    case std::errc::network_unreachable:
    case std::errc::network_down:
    case std::errc::not_connected: return errc::not_connected;
    case std::errc::connection_reset:
    case std::errc::connection_aborted:
    case std::errc::network_reset:
    case std::errc::broken_pipe: return errc::connection_lost;
    case std::errc::operation_canceled: return errc::cancelled;
    case std::errc::timed_out: return errc::timed_out;
    default: return std::nullopt;
  }
}

// Core has no Asio types in its error model, so Asio's categories go by name; Boost's have the same names.
std::optional<errc> from_asio(const std::error_code& code) {
  constexpr int misc_eof = 2;
  constexpr int ssl_stream_truncated = 1;
  const std::string_view category = code.category().name();
  if (category == "asio.misc" && code.value() == misc_eof) return errc::connection_lost;
  if (category == "asio.ssl.stream" && code.value() == ssl_stream_truncated) return errc::connection_lost;
  if (category == "asio.netdb" && code.value() != 0) return errc::not_connected;
  return std::nullopt;
}

// Asio 1.22 keeps errno values in a category of its own, which it does not map to std::errc.
bool is_errno(const std::error_category& category) {
  return category == std::system_category() || category.name() == std::string_view("asio.system");
}

std::optional<errc> from_driver(const std::error_code& code) {
  if (is_errno(code.category())) {
    const auto meaning = from_generic(static_cast<std::errc>(code.value()));
    // The kernel's ETIMEDOUT is a connect nobody answered. The generic one was set by somebody who kept a deadline.
    return meaning == errc::timed_out ? errc::not_connected : meaning;
  }
  const std::error_condition meaning = code.default_error_condition();
  if (meaning.category() == std::generic_category()) return from_generic(static_cast<std::errc>(meaning.value()));
  return from_asio(code);
}

class FerryCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry"; }

  std::string message(int value) const override {
    if (value < first_errc || value > last_errc) return "unknown ferry error " + std::to_string(value);
    return messages[static_cast<std::size_t>(value - first_errc)];
  }

  using std::error_category::equivalent;
  // system_category cannot be taught our conditions, so they are taught its codes.
  bool equivalent(const std::error_code& code, int condition) const noexcept override {
    if (code.category() == *this) return code.value() == condition;
    return from_driver(code) == static_cast<errc>(condition);
  }
};

std::string dump(const json& body) { return body.dump(-1, ' ', false, json::error_handler_t::replace); }

// As everything else that was received: nlohmann's own parser refuses half a surrogate pair and 1e999.
json parsed(std::string_view text) {
  detail::JsonReader reader(text);
  json body;
  const bool read = detail::read_dom(reader, body) && reader.at_end();
  return read ? body : json(json::value_t::discarded);
}

// What a human wants to read of an error's body.
std::optional<std::string> message_in(const json& body) {
  if (body.is_string()) return body.get<std::string>();
  if (!body.is_object()) return std::nullopt;
  const auto message = body.find("message");
  if (message == body.end() || !message->is_string()) return std::nullopt;
  return message->get<std::string>();
}

std::string describe(const Failure& failure) {
  if (!failure.detail.empty()) return failure.detail;
  if (failure.remote_body.empty()) return failure.code.message();
  return message_in(parsed(failure.remote_body)).value_or(failure.remote_body);
}

Failure rejection(const json& body) {
  // A handler that answers has the message.
  Failure failure(errc::rejected, message_in(body).value_or(std::string{}), Fate::confirmed);
  failure.remote_body = dump(body);
  return failure;
}

std::optional<errc> condition_of(const std::error_code& code) {
  for (int value = first_errc; value <= last_errc; ++value) {
    if (code == static_cast<errc>(value)) return static_cast<errc>(value);
  }
  return std::nullopt;
}

}  // namespace

const std::error_category& ferry_category() noexcept {
  // Never destroyed: driver threads may still compare codes while the process exits.
  static const FerryCategory& category = *new FerryCategory;
  return category;
}

std::error_code make_error_code(errc value) noexcept { return {static_cast<int>(value), ferry_category()}; }

std::error_condition make_error_condition(errc value) noexcept { return {static_cast<int>(value), ferry_category()}; }

std::string_view to_string(Fate fate) noexcept {
  switch (fate) {
    case Fate::not_sent: return "not sent";
    case Fate::confirmed: return "confirmed";
    case Fate::unknown: break;
  }
  return "unknown";
}

bool is_retryable(const std::error_code& code) noexcept {
  return code == errc::timed_out || code == errc::not_connected || code == errc::connection_lost ||
         code == errc::overloaded || code == errc::circuit_open;
}

Error::Error(Failure failure) : std::runtime_error(describe(failure)), failure_(std::move(failure)) {}

Error::Error(errc code, std::string detail, Fate fate) : Error(Failure(code, std::move(detail), fate)) {}

RpcError::RpcError(const json& body) : Error(rejection(body)) {}

RpcError::RpcError(std::string_view message) : Error(rejection(json(message))) {}

json RpcError::body() const {
  if (body_text().empty()) return nullptr;
  json body = parsed(body_text());
  if (body.is_discarded()) {
    throw SerializationError(errc::bad_payload, "the remote's error is no JSON: " + body_text().substr(0, 200), fate());
  }
  return body;
}

void throw_failure(Failure failure) {
  switch (condition_of(failure.code).value_or(errc::transport_failure)) {
    case errc::timed_out: throw TimeoutError(std::move(failure));
    case errc::cancelled: throw CancelledError(std::move(failure));
    case errc::closed:
    case errc::not_connected:
    case errc::connection_lost: throw ConnectionError(std::move(failure));
    case errc::overloaded:
    case errc::circuit_open: throw OverloadedError(std::move(failure));
    case errc::bad_payload: throw SerializationError(std::move(failure));
    case errc::rejected: throw RpcError(std::move(failure));
    case errc::no_handler: throw NoHandlerError(std::move(failure));
    case errc::bad_config: throw ConfigError(std::move(failure));
    case errc::plugin_refused: throw PluginError(std::move(failure));
    case errc::bad_pattern:
    case errc::bad_message:
    case errc::no_reply:
    case errc::unsupported:
    case errc::transport_failure: break;
  }
  throw Error(std::move(failure));
}

std::exception_ptr make_exception(Failure failure) {
  try {
    throw_failure(std::move(failure));
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace ferry
