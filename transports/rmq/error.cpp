#include "transports/rmq/error.hpp"

#include <amqp.h>
#include <amqp_framing.h>

#include "ferry/detail/utf.hpp"

namespace ferry::rmq {
namespace {

class RmqCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.rmq"; }

  std::string message(int value) const override {
    switch (static_cast<RmqError>(value)) {
      case RmqError::nacked: return "RabbitMQ did not take the message over";
      case RmqError::protocol: return "the server does not speak AMQP 0-9-1";
      case RmqError::silent: return "RabbitMQ sends no heartbeats";
      case RmqError::consumer_cancelled: return "RabbitMQ ended the consumer";
      case RmqError::message_too_large: return "longer than maxMessageSize";
      default: break;
    }
    const char* const name = amqp_constant_name(value);
    return "AMQP " + std::to_string(value) + (name == nullptr ? "" : std::string(" ") + name);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<RmqError>(value)) {
      case RmqError::nacked:
      case RmqError::resource_error: return errc::overloaded;
      case RmqError::protocol:
      case RmqError::frame_error:
      case RmqError::syntax_error:
      case RmqError::command_invalid:
      case RmqError::channel_error:
      case RmqError::unexpected_frame: return errc::bad_message;
      case RmqError::silent:
      case RmqError::consumer_cancelled:
      case RmqError::connection_forced: return errc::connection_lost;
      case RmqError::message_too_large:
      case RmqError::content_too_large: return errc::bad_payload;
      case RmqError::no_route:
      case RmqError::no_consumers: return errc::no_handler;
      // What a client or a service asks for when it connects.
      case RmqError::invalid_path:
      case RmqError::access_refused:
      case RmqError::not_found:
      case RmqError::resource_locked:
      case RmqError::precondition_failed:
      case RmqError::not_allowed: return errc::not_connected;
      case RmqError::not_implemented: return errc::unsupported;
      default: return errc::transport_failure;
    }
  }
};

std::string_view advice(int reply_code) {
  switch (static_cast<RmqError>(reply_code)) {
    case RmqError::access_refused: return "check user, password and the user's permissions";
    case RmqError::not_found: return "create it, or correct its name";
    case RmqError::resource_locked: return "somebody else has it exclusively";
    case RmqError::precondition_failed:
      return "it exists with other settings: give the same queueOptions everywhere, delete it, or set noAssert";
    case RmqError::not_allowed: return "check the virtual host and the user's permissions for it";
    default: return {};
  }
}

}  // namespace

const std::error_category& rmq_category() noexcept {
  static const RmqCategory& category = *new RmqCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_error_code(RmqError value) noexcept { return {static_cast<int>(value), rmq_category()}; }

Failure refusal(std::string_view what, int reply_code, std::string_view reply_text, Fate fate) {
  std::string text = std::string(what) + ": " + detail::replace_invalid_utf8(reply_text);
  if (reply_text.empty()) text += "AMQP " + std::to_string(reply_code);
  if (const std::string_view hint = advice(reply_code); !hint.empty()) text.append("; ").append(hint);
  return Failure(std::error_code(reply_code, rmq_category()), std::move(text), fate);
}

Failure unroutable(std::string_view exchange, std::string_view routing_key) {
  Failure failure(RmqError::no_route,
                  "no queue takes messages of the exchange \"" + std::string(exchange) + "\" with the routing key \"" +
                      std::string(routing_key) + "\"",
                  Fate::not_sent);
  failure.remote_body = "\"There is no matching message handler defined in the remote service.\"";
  return failure;
}

}  // namespace ferry::rmq
