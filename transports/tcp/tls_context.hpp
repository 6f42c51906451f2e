#pragma once
// Keys, certificates and rules, as Node's tls module understands `tlsOptions`.

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "ferry/spi/options.hpp"

namespace ferry::tcp {

struct SslContextFree { void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); } };
struct SslFree { void operator()(SSL* p) const noexcept { SSL_free(p); } };

/// What OpenSSL says was wrong last, in words; forgets it.
std::string openssl_reason();

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

}  // namespace ferry::tcp
