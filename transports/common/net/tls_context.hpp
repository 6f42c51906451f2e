#pragma once
// Keys, certificates and rules, as Node's tls module names them.

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "ferry/spi/options.hpp"

namespace ferry::net {

// An Option table is one array, so the rows that client and server have in common are a macro.
#define FERRY_TLS_OPTIONS                                                                                              \
  {"key", spi::OptionKind::string, "", "private key: a PEM file, or PEM text"},                                        \
  {"cert", spi::OptionKind::string, "", "certificate, with its chain: a PEM file, or PEM text"},                       \
  {"ca", spi::OptionKind::strings, "", "authorities to trust instead of the system's: PEM files, or PEM texts"},       \
  {"passphrase", spi::OptionKind::string, "", "of an encrypted private key"},                                          \
  {"ciphers", spi::OptionKind::string, "", "OpenSSL's cipher names, separated by colons"},                             \
  {.name = "minVersion", .kind = spi::OptionKind::string, .fallback = "\"TLSv1.2\"", .doc = "oldest version of TLS",   \
   .choices = "TLSv1.2|TLSv1.3"},                                                                                      \
  {.name = "maxVersion", .kind = spi::OptionKind::string, .fallback = "\"TLSv1.3\"", .doc = "newest version of TLS",   \
   .choices = "TLSv1.2|TLSv1.3"},                                                                                      \
  {"rejectUnauthorized", spi::OptionKind::boolean, "true", "refuse a peer whose certificate no authority vouches for"}

// Also for tables in which they stand beside others, as mqtt.js has them.
#define FERRY_TLS_CLIENT_OPTIONS                                                                                       \
  FERRY_TLS_OPTIONS,                                                                                                   \
  {"servername", spi::OptionKind::string, "", "name sent to the service and looked for in its certificate, if not the host"}, \
  {"checkServerIdentity", spi::OptionKind::boolean, "true", "the certificate must name the host"}

inline constexpr spi::Option tls_client_options[] = {
    FERRY_TLS_CLIENT_OPTIONS,
};
inline constexpr spi::Option tls_server_options[] = {
    FERRY_TLS_OPTIONS,
    {"requestCert", spi::OptionKind::boolean, "false", "ask clients for a certificate"},
};

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

}  // namespace ferry::net
