#include "transports/common/net/error.hpp"

#include <asio/error_code.hpp>

#include "ferry/error.hpp"

namespace ferry::net {
namespace {

class NetCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.net"; }

  std::string message(int value) const override {
    switch (static_cast<NetError>(value)) {
      case NetError::tls_handshake: return "the TLS handshake failed";
      case NetError::tls_broken: return "the TLS connection failed";
    }
    return "unknown network error " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<NetError>(value)) {
      case NetError::tls_handshake: return errc::not_connected;
      case NetError::tls_broken: return errc::connection_lost;
    }
    return errc::transport_failure;
  }
};

}  // namespace

const std::error_category& net_category() noexcept {
  static const NetCategory& category = *new NetCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_error_code(NetError value) noexcept { return {static_cast<int>(value), net_category()}; }

std::error_code plain(const std::error_code& code) noexcept {
  return code.category() == asio::system_category() ? std::error_code(code.value(), std::system_category()) : code;
}

std::string reason(const std::error_code& code) {
  std::string text = code.message();
  const bool acronym = text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z';
  if (!text.empty() && !acronym && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

}  // namespace ferry::net
