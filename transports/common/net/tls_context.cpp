#include "transports/common/net/tls_context.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <system_error>
#include <vector>

#include <asio/ip/address.hpp>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "transports/common/net/error.hpp"
#include "transports/common/net/openssl_ptr.hpp"

namespace ferry::net {
namespace {

/// PEM text, given as such or by the name of a file.
struct Pem {
  std::string text;
  std::string source;   ///< "the file ...", for errors
};

Pem read_pem(const std::string& value, const spi::ConfigPlace& place, const std::string& directory) {
  if (value.find("-----BEGIN ") != std::string::npos) return {value, "the text"};
  const std::filesystem::path path = std::filesystem::path(directory) / value;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || std::filesystem::is_directory(path)) {
    const std::string why = errno != 0 ? ": " + reason({errno, std::system_category()}) : "";
    spi::config_error(place, "cannot read the file " + path.string() + why,
                      "name a readable PEM file, or give PEM text");
  }
  return {std::move(text), "the file " + path.string()};
}

BioPtr memory_bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int give_passphrase(char* out, int size, int, void* phrase) {
  const auto& text = *static_cast<const std::string*>(phrase);
  if (text.size() > static_cast<std::size_t>(size)) return 0;
  text.copy(out, text.size());
  return static_cast<int>(text.size());
}

bool is_address(const std::string& host) {
  std::error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

}  // namespace

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "unknown reason" : text;
}

TlsContext::TlsContext(Role role, const spi::Options& options, const std::string& directory, const std::string& host)
    : role_(role), context_(SSL_CTX_new(role == Role::client ? TLS_client_method() : TLS_server_method())) {
  if (!context_) throw std::bad_alloc();
  ERR_clear_error();
  SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  static constexpr unsigned char session_context[] = "ferry";
  SSL_CTX_set_session_id_context(context_.get(), session_context, sizeof session_context - 1);
  set_versions(options);
  set_ciphers(options);
  load_identity(options, directory);
  load_authorities(options, directory);
  set_verification(options);
  if (role == Role::client) {
    const std::string name = options.string("servername");
    const std::string& meant = name.empty() ? host : name;
    if (!is_address(meant)) server_name_ = meant;
    if (options.boolean("rejectUnauthorized") && options.boolean("checkServerIdentity")) identity_ = meant;
  }
}

void TlsContext::set_versions(const spi::Options& options) {
  const auto number = [](const std::string& name) { return name == "TLSv1.3" ? TLS1_3_VERSION : TLS1_2_VERSION; };
  SSL_CTX_set_min_proto_version(context_.get(), number(options.string("minVersion")));
  SSL_CTX_set_max_proto_version(context_.get(), number(options.string("maxVersion")));
  if (number(options.string("minVersion")) > number(options.string("maxVersion"))) {
    spi::config_error(options.place("minVersion"), "minVersion is above maxVersion", "raise maxVersion");
  }
}

// Node takes TLS 1.2 and 1.3 names in one list; OpenSSL wants two.
void TlsContext::set_ciphers(const spi::Options& options) {
  std::string older;
  std::string suites;
  std::string rest = options.string("ciphers");
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string name = rest.substr(0, colon);
    std::string& list = name.starts_with("TLS_") ? suites : older;
    list += (list.empty() ? "" : ":") + name;
    rest.erase(0, colon == std::string::npos ? rest.size() : colon + 1);
  }
  const bool ok = (older.empty() || SSL_CTX_set_cipher_list(context_.get(), older.c_str()) == 1) &&
                  (suites.empty() || SSL_CTX_set_ciphersuites(context_.get(), suites.c_str()) == 1);
  if (!ok) {
    spi::config_error(options.place("ciphers"), "no usable cipher among them: " + openssl_reason(),
                      "use OpenSSL's names, separated by colons");
  }
}

void TlsContext::load_identity(const spi::Options& options, const std::string& directory) {
  if (!options.has("cert") && !options.has("key")) {
    if (role_ == Role::client) return;
    spi::config_error(options.place("cert"), "a TLS service needs a certificate",
                      "set key and cert");
  }
  for (const char* name : {"cert", "key"}) {
    if (!options.has(name)) spi::config_error(options.place(name), "missing", "key and cert go together");
  }
  const spi::ConfigPlace cert_place = options.place("cert");
  const Pem cert = read_pem(options.string("cert"), cert_place, directory);
  const BioPtr cert_bio = memory_bio(cert.text);
  const CertificatePtr leaf(PEM_read_bio_X509_AUX(cert_bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context_.get(), leaf.get()) != 1) {
    spi::config_error(cert_place, cert.source + " holds no usable certificate: " + openssl_reason(), "give it as PEM");
  }
  while (X509* issuer = PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context_.get(), issuer) != 1) X509_free(issuer);
  }
  ERR_clear_error();   // the end of the text is an error to OpenSSL

  const spi::ConfigPlace key_place = options.place("key");
  const Pem key = read_pem(options.string("key"), key_place, directory);
  std::string phrase = options.string("passphrase");
  const KeyPtr parsed(PEM_read_bio_PrivateKey(memory_bio(key.text).get(), nullptr, give_passphrase, &phrase));
  if (!parsed) {
    spi::config_error(key_place, key.source + " holds no readable private key: " + openssl_reason(),
                      "give it as PEM, and passphrase if it is encrypted");
  }
  if (SSL_CTX_use_PrivateKey(context_.get(), parsed.get()) != 1 || SSL_CTX_check_private_key(context_.get()) != 1) {
    spi::config_error(key_place, key.source + " is not the key of the certificate: " + openssl_reason(),
                      "give the key that cert was made for");
  }
}

void TlsContext::load_authorities(const spi::Options& options, const std::string& directory) {
  if (!options.has("ca")) {
    SSL_CTX_set_default_verify_paths(context_.get());
    ERR_clear_error();
    return;
  }
  const std::vector<std::string> list = options.strings("ca");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const spi::ConfigPlace place = list.size() == 1 ? options.place("ca") : options.place("ca").element(i);
    const Pem pem = read_pem(list[i], place, directory);
    const BioPtr bio = memory_bio(pem.text);
    std::size_t found = 0;
    while (const CertificatePtr authority{PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr)}) {
      ++found;
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.get());
      if (role_ == Role::server) SSL_CTX_add_client_CA(context_.get(), authority.get());
    }
    if (found == 0) {
      spi::config_error(place, pem.source + " holds no certificate: " + openssl_reason(), "give it as PEM");
    }
    ERR_clear_error();
  }
}

void TlsContext::set_verification(const spi::Options& options) {
  const bool reject = options.boolean("rejectUnauthorized");
  const bool ask = role_ == Role::client || options.boolean("requestCert");
  if (!ask) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  } else if (reject) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  } else {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  }
}

std::unique_ptr<SSL, SslFree> TlsContext::make() const {
  std::unique_ptr<SSL, SslFree> ssl(SSL_new(context_.get()));
  if (!ssl) throw std::bad_alloc();
  if (role_ == Role::server) {
    SSL_set_accept_state(ssl.get());
    return ssl;
  }
  SSL_set_connect_state(ssl.get());
  if (!server_name_.empty()) SSL_set_tlsext_host_name(ssl.get(), server_name_.c_str());
  if (!identity_.empty()) {
    X509_VERIFY_PARAM* rules = SSL_get0_param(ssl.get());
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(identity_)) X509_VERIFY_PARAM_set1_ip_asc(rules, identity_.c_str());
    else X509_VERIFY_PARAM_set1_host(rules, identity_.data(), identity_.size());
  }
  return ssl;
}

}  // namespace ferry::net
