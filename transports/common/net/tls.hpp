#pragma once

#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "transports/common/net/tls_context.hpp"
#include "transports/common/net/wire.hpp"

namespace ferry::net {

/// TLS over a socket. OpenSSL reads and writes the socket by itself, never blocking.
class TlsWire final : public Wire {
 public:
  TlsWire(Socket socket, const TlsContext& context);

  bool secure() const noexcept override { return true; }
  std::string peer_certificate_subject() const override;
  void async_handshake(WireUserPtr user) override;
  void async_read(std::span<char> room, WireUserPtr user) override;
  void wait_writable(WireUserPtr user) override;
  Written write(std::span<const iovec> buffers) override;
  void shutdown_send() override;

 private:
  template <class Again>
  void wait(int ssl_error, Again again);
  void handshake(WireUserPtr user);
  void read(std::span<char> room, WireUserPtr user, bool inside_caller);
  std::error_code fault(int ssl_error);

  std::unique_ptr<SSL, SslFree> ssl_;
  int write_wants_ = SSL_ERROR_WANT_WRITE;   // what the last write waits for
  bool broken_ = false;                      // OpenSSL must not be used any more
};

}  // namespace ferry::net
