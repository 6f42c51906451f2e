#pragma once
// AMQP's reply codes as error codes, and what else can go wrong with a RabbitMQ server.

#include <string>
#include <string_view>
#include <system_error>

#include "ferry/error.hpp"

namespace ferry::rmq {

/// The broker's own numbers, and below 200 what it has no number for.
enum class RmqError {
  nacked = 1,             ///< the broker did not take a message over: its queue is full, or it failed
  protocol,               ///< bytes that are no AMQP 0-9-1
  silent,                 ///< no heartbeat came
  consumer_cancelled,     ///< the broker ended the consumer: its queue was deleted
  message_too_large,      ///< more than maxMessageSize
  content_too_large = 311,
  no_route = 312,
  no_consumers = 313,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

const std::error_category& rmq_category() noexcept;
std::error_code make_error_code(RmqError value) noexcept;

/// "<what>: <the broker's words>; <advice>", for a channel or connection that the broker closed.
Failure refusal(std::string_view what, int reply_code, std::string_view reply_text, Fate fate = Fate::unknown);
/// A message that no queue was bound to receive.
Failure unroutable(std::string_view exchange, std::string_view routing_key);

}  // namespace ferry::rmq

template <>
struct std::is_error_code_enum<ferry::rmq::RmqError> : std::true_type {};
