#pragma once

#include <string>
#include <system_error>

namespace ferry::net {

/// What can go wrong below a protocol, beyond the system's own codes.
enum class NetError {
  tls_handshake = 1,   ///< no secure connection could be made
  tls_broken,          ///< the secure connection failed later
};

const std::error_category& net_category() noexcept;
std::error_code make_error_code(NetError value) noexcept;

/// Asio has a category of its own for the system's codes, and it does not know what all of them mean: the same code in
/// the standard library's. Others come back as they are.
std::error_code plain(const std::error_code& code) noexcept;

/// The code's message as it reads inside a sentence: "connection refused".
std::string reason(const std::error_code& code);

}  // namespace ferry::net

template <>
struct std::is_error_code_enum<ferry::net::NetError> : std::true_type {};
