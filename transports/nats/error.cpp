#include "transports/nats/error.hpp"

#include <nlohmann/json.hpp>

namespace ferry::nats {
namespace {

class DriverCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "nats"; }

  std::string message(int value) const override { return natsStatus_GetText(static_cast<natsStatus>(value)); }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<natsStatus>(value)) {
      case NATS_TIMEOUT: return errc::timed_out;
      case NATS_IO_ERROR:
      case NATS_CONNECTION_CLOSED:
      case NATS_STALE_CONNECTION:
      case NATS_CONNECTION_DISCONNECTED: return errc::connection_lost;
      case NATS_NO_SERVER:
      case NATS_NOT_YET_CONNECTED:
      case NATS_CONNECTION_AUTH_FAILED:
      case NATS_SECURE_CONNECTION_WANTED:
      case NATS_SECURE_CONNECTION_REQUIRED:
      case NATS_SSL_ERROR: return errc::not_connected;
      case NATS_INVALID_SUBJECT: return errc::bad_pattern;
      case NATS_MAX_PAYLOAD: return errc::bad_payload;
      case NATS_NO_RESPONDERS: return errc::no_handler;
      case NATS_SLOW_CONSUMER:
      case NATS_INSUFFICIENT_BUFFER:
      case NATS_NO_MEMORY: return errc::overloaded;
      case NATS_PROTOCOL_ERROR: return errc::bad_message;
      case NATS_NO_SERVER_SUPPORT: return errc::unsupported;
      default: return errc::transport_failure;
    }
  }
};

}  // namespace

const std::error_category& driver_category() noexcept {
  static const DriverCategory& category = *new DriverCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_code(natsStatus status) noexcept { return {static_cast<int>(status), driver_category()}; }

Failure driver_failure(natsStatus status, std::string_view what, Fate fate) {
  return Failure(make_code(status), std::string(what) + ": " + natsStatus_GetText(status), fate);
}

Failure no_responders(std::string_view route) {
  // NestJS's words. No server knows a subscriber: nobody has seen the message.
  Failure failure(errc::no_handler, "Empty response. There are no subscribers listening to that message (\"" +
                                        std::string(route) + "\")", Fate::not_sent);
  failure.remote_body = nlohmann::json(failure.detail).dump();   // for those who look for it where NestJS has it
  return failure;
}

Failure too_large(std::string_view route, std::size_t bytes, std::int64_t limit) {
  return Failure(make_code(NATS_MAX_PAYLOAD),
                 "the message for " + std::string(route) + " has " + std::to_string(bytes) +
                     " bytes, and the server takes no more than " + std::to_string(limit) +
                     "; send less, or raise the server's max_payload", Fate::not_sent);
}

Failure bad_subject(std::string_view route) {
  return Failure(make_code(NATS_INVALID_SUBJECT),
                 "\"" + std::string(route) + "\" cannot be a NATS subject: it is empty or contains white space",
                 Fate::not_sent);
}

}  // namespace ferry::nats
