#pragma once
// gRPC's status codes as error codes.

#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"

namespace ferry::grpc {

/// gRPC's own numbers, so that code without its headers can name them.
enum class Code : int {
  ok = 0, cancelled = 1, unknown = 2, invalid_argument = 3, deadline_exceeded = 4, not_found = 5, already_exists = 6,
  permission_denied = 7, resource_exhausted = 8, failed_precondition = 9, aborted = 10, out_of_range = 11,
  unimplemented = 12, internal = 13, unavailable = 14, data_loss = 15, unauthenticated = 16,
};

/// How a call ended. Any number may come from a peer.
struct CallStatus {
  int code = 0;
  std::string details;
  std::vector<std::pair<std::string, std::string>> trailers = {};   // as a client got them with a failure
};

/// gRPC's name, in trailing metadata, of the details of a status.
inline constexpr std::string_view details_name = "grpc-status-details-bin";

const std::error_category& status_category() noexcept;
std::error_code make_error_code(Code code) noexcept;

/// "NOT_FOUND"; "99" for a number that has no name.
std::string code_name(int code);
/// As text, whatever bytes its strings have.
std::string dump(const nlohmann::json& value);
/// A status as a caller's `RpcError` has it: NestJS's members, and trailing metadata as text.
nlohmann::json error_body(const CallStatus& status);
/// What ends a call whose status says that gRPC itself failed; its text has the trailing metadata, too. `where`: the address.
Failure call_failure(const CallStatus& status, std::string_view where);
/// The bytes of a peer are not what they should be.
Failure unreadable(std::string_view why, std::string_view where);

}  // namespace ferry::grpc

template <>
struct std::is_error_code_enum<ferry::grpc::Code> : std::true_type {};
