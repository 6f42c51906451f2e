#pragma once
// Owners of OpenSSL's objects.

#include <memory>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace ferry::net {

struct BioFree { void operator()(BIO* p) const noexcept { BIO_free(p); } };
struct CertificateFree { void operator()(X509* p) const noexcept { X509_free(p); } };
struct KeyFree { void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); } };
using BioPtr = std::unique_ptr<BIO, BioFree>;
using CertificatePtr = std::unique_ptr<X509, CertificateFree>;
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyFree>;

}  // namespace ferry::net
