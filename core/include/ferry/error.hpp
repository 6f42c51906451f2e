#pragma once
// The one error model of ferry: codes inside, one typed exception at the edge.
//
// A plugin ends an operation with a `Failure`. Its `code` keeps the driver's own number and words; comparing it with
// `ferry::errc` gives the same answer for every transport. `throw_failure` turns a `Failure` into the exception
// that fits; nothing else in ferry does.

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include <nlohmann/json_fwd.hpp>

namespace ferry {

/// What went wrong, for every transport alike. An error *condition*: compare an `error_code` of any driver with it
/// (`ec == ferry::errc::timed_out`). ferry's own failures carry it as their code: `Failure(errc::closed, "...")`.
enum class errc {
  timed_out = 1,      ///< the deadline passed
  cancelled,          ///< the caller gave up
  closed,             ///< the client, service or application was closed
  not_connected,      ///< no connection, and the attempt to make one failed
  connection_lost,    ///< the connection went away with the message in flight
  no_handler,         ///< the remote service has no handler for the pattern
  rejected,           ///< the remote handler answered with an error
  bad_payload,        ///< a payload could not be encoded or decoded
  bad_pattern,        ///< a pattern that cannot work on the wire
  bad_message,        ///< bytes from a peer that are no message
  overloaded,         ///< a bound was reached: requests in flight, bytes queued, items not consumed
  circuit_open,       ///< the circuit breaker refused the call
  no_reply,           ///< the remote handler completed without the value that was asked for
  bad_config,         ///< the configuration is wrong
  plugin_refused,     ///< a plugin is missing or does not fit this build
  unsupported,        ///< the transport cannot do what was asked
  transport_failure,  ///< the driver failed in a way that has no name above
};

/// Also knows what codes of the operating system and of Asio stand for: a refused, unreachable, unresolved or timed out
/// connect is `not_connected`; a reset, broken, aborted or ended stream is `connection_lost`; an aborted operation is
/// `cancelled`. A driver's own category maps its codes in `default_error_condition`.
const std::error_category& ferry_category() noexcept;
std::error_code make_error_code(errc value) noexcept;
std::error_condition make_error_condition(errc value) noexcept;

// `errc` converts to a code (to report it) and to a condition (to return it from a category). These two make a
// comparison with it always mean the condition; without them it would compare codes, and never match a driver's.
inline bool operator==(const std::error_code& code, errc value) noexcept { return code == make_error_condition(value); }
inline bool operator==(const std::error_condition& condition, errc value) noexcept {
  return condition == make_error_condition(value);
}

/// What the peer may have seen of the message whose operation failed.
enum class Fate : std::uint8_t {
  unknown,    ///< it may have been received and acted on
  not_sent,   ///< no byte of it left this process: safe to send again
  confirmed,  ///< the broker or the remote service has it
};
std::string_view to_string(Fate fate) noexcept;

/// How an operation ended that did not succeed. Plain data; crosses the plugin boundary.
struct Failure {
  Failure() = default;
  Failure(std::error_code c, std::string text, Fate f = Fate::unknown) : code(c), detail(std::move(text)), fate(f) {}

  std::error_code code;         ///< the driver's own code where there is one
  std::string detail;           ///< what, where, and what to do
  Fate fate = Fate::unknown;
  std::string remote_body;      ///< the remote's error as JSON text; empty unless the remote answered with an error
};

/// May the same call succeed if made again, unchanged? Says nothing on whether repeating it is safe: see `Fate`.
bool is_retryable(const std::error_code& code) noexcept;

/// A value or a `Failure`, for functions where failing is ordinary.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  Failure& failure() & { return std::get<1>(state_); }
  const Failure& failure() const& { return std::get<1>(state_); }
  Failure&& failure() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Failure> state_;
};

/// Base of everything ferry throws on purpose.
class Error : public std::runtime_error {
 public:
  explicit Error(Failure failure);
  Error(errc code, std::string detail, Fate fate = Fate::unknown);

  const std::error_code& code() const noexcept { return failure_.code; }
  Fate fate() const noexcept { return failure_.fate; }
  bool is_retryable() const noexcept { return ferry::is_retryable(failure_.code); }
  const Failure& failure() const noexcept { return failure_; }

 private:
  Failure failure_;
};

class TimeoutError : public Error { using Error::Error; };
class CancelledError : public Error { using Error::Error; };
/// No connection, or one that went away; also a client that was closed.
class ConnectionError : public Error { using Error::Error; };
class OverloadedError : public Error { using Error::Error; };
/// A payload that could not be encoded, or not be decoded to the type asked for.
class SerializationError : public Error { using Error::Error; };
/// The configuration is wrong: the text names file, JSON pointer, what was found and what to do.
class ConfigError : public Error { using Error::Error; };
/// A plugin is missing or does not fit: the text names both sides, or every path searched.
class PluginError : public ConfigError { using ConfigError::ConfigError; };

/// An error with a JSON body: thrown by a handler to answer its caller, thrown by `send` when the remote answered so.
///
/// What the caller of a throwing handler receives is what NestJS's RpcException gives: an object or array goes out
/// verbatim, anything else as `{"status":"error","message":<value>}`.
class RpcError : public Error {
 public:
  /// A body with a single member is written `RpcError(nlohmann::json{{"code", 7}})`: bare braces around one pair could
  /// also be a copy, and do not compile. `what()` is the body's "message", if that is a string, else the body as text.
  explicit RpcError(const nlohmann::json& body);
  explicit RpcError(std::string_view message);
  explicit RpcError(const std::string& message) : RpcError(std::string_view(message)) {}
  explicit RpcError(const char* message) : RpcError(std::string_view(message)) {}
  explicit RpcError(Failure failure) : Error(std::move(failure)) {}

  /// The body as parsed JSON; null if there is none. Throws `SerializationError` if the remote sent something that is
  /// no JSON.
  nlohmann::json body() const;
  /// The body as JSON text, without spaces.
  const std::string& body_text() const noexcept { return failure().remote_body; }
};

/// Thrown by the handler of a request before it has replied: no answer now, the request is to be handled again, by a service with
/// `retry`, or one that is at-least-once whose transport can do that for requests (Kafka; NestJS's KafkaRetriableException).
/// Elsewhere, and in the end, it is the answer, as any `RpcError`. An event is handled again whatever its handler throws.
class RetriableError : public RpcError { using RpcError::RpcError; };

/// The remote service has no handler for the pattern.
class NoHandlerError : public RpcError { using RpcError::RpcError; };

/// Throws the exception that fits the failure's code.
[[noreturn]] void throw_failure(Failure failure);
std::exception_ptr make_exception(Failure failure);   ///< what `throw_failure` throws

}  // namespace ferry

template <>
struct std::is_error_code_enum<ferry::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<ferry::errc> : std::true_type {};
