#pragma once
// TLS as Node's tls module understands `tlsOptions`.

#include <memory>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include "ferry/spi/options.hpp"
#include "transports/tcp/wire.hpp"

namespace ferry::tcp {

struct SslContextFree { void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); } };
struct SslFree { void operator()(SSL* p) const noexcept { SSL_free(p); } };

/// Keys, certificates and rules, read once. Shared by every connection of a client or a service.
class TlsContext {
 public:
  enum class Role { client, server };
  /// Throws `ConfigError` naming the option (and the file) that does not serve. `host`: whom a client means to reach.
  TlsContext(Role role, const spi::Options& options, const std::string& directory, const std::string& host);

  Role role() const noexcept { return role_; }
  /// A new connection's state.
  std::unique_ptr<SSL, SslFree> make() const;

 private:
  void set_versions(const spi::Options& options);
  void set_ciphers(const spi::Options& options);
  void load_identity(const spi::Options& options, const std::string& directory);
  void load_authorities(const spi::Options& options, const std::string& directory);
  void set_verification(const spi::Options& options);

  Role role_;
  std::unique_ptr<SSL_CTX, SslContextFree> context_;
  std::string server_name_;        // for SNI; empty for an address
  std::string identity_;           // whom the certificate must name; empty if it need not
};

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

}  // namespace ferry::tcp
