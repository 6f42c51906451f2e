#include "transports/grpc/error.hpp"

#include <array>

#include "transports/common/base64.hpp"

namespace ferry::grpc {
namespace {

constexpr std::array names{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
                           "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
                           "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};

class StatusCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "grpc"; }
  std::string message(int value) const override { return "gRPC status " + code_name(value); }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Code>(value)) {
      case Code::cancelled: return errc::cancelled;
      case Code::deadline_exceeded: return errc::timed_out;
      case Code::unimplemented: return errc::no_handler;
      case Code::resource_exhausted: return errc::overloaded;
      case Code::unavailable: return errc::connection_lost;
      default: return errc::transport_failure;
    }
  }
};

}  // namespace

const std::error_category& status_category() noexcept {
  static const StatusCategory& category = *new StatusCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_error_code(Code code) noexcept { return {static_cast<int>(code), status_category()}; }

std::string code_name(int code) {
  if (code < 0 || code >= static_cast<int>(names.size())) return std::to_string(code);
  return names[static_cast<std::size_t>(code)];
}

std::string dump(const nlohmann::json& value) { return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

nlohmann::json error_body(const CallStatus& status) {
  nlohmann::json body{{"code", status.code},
                      {"details", status.details},
                      {"message", std::to_string(status.code) + " " + code_name(status.code) + ": " + status.details}};
  for (const auto& [name, value] : status.trailers) body["metadata"][name] = name.ends_with("-bin") ? transports::to_base64(value) : value;
  return body;
}

Failure call_failure(const CallStatus& status, std::string_view where) {
  std::string text = std::string(where) + ": " + code_name(status.code) + ": " + status.details;
  if (!status.trailers.empty()) text += ", metadata " + dump(error_body(status)["metadata"]);
  // gRPC's words for a call that found no connection to go out on.
  const bool never_left = status.code == static_cast<int>(Code::unavailable) &&
                          status.details.find("failed to connect to all addresses") != std::string::npos;
  const bool too_long = status.code == static_cast<int>(Code::resource_exhausted) &&
                        status.details.find("larger than max") != std::string::npos;
  if (too_long) return Failure(errc::bad_payload, text + "; see maxSendMessageLength and maxReceiveMessageLength", Fate::unknown);
  if (never_left) return Failure(errc::not_connected, text, Fate::not_sent);
  return Failure(std::error_code(status.code, status_category()), text, Fate::unknown);
}

Failure unreadable(std::string_view why, std::string_view where) {
  return Failure(errc::bad_message, std::string(where) + " sent a message that cannot be read: " + std::string(why));
}

}  // namespace ferry::grpc
