#include "transports/common/net/tls.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <new>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <openssl/err.h>

#include "transports/common/net/error.hpp"
#include "transports/common/net/openssl_ptr.hpp"

namespace ferry::net {
namespace {

// A socket as OpenSSL sees it. Its own kind writes with write(2), which raises SIGPIPE when the peer is gone.
BIO_METHOD* socket_bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ferry socket");
    BIO_meth_set_write(made, [](BIO* bio, const char* data, int size) {
      BIO_clear_retry_flags(bio);
      const auto* socket = static_cast<Socket*>(BIO_get_data(bio));
      const ssize_t sent = ::send(const_cast<Socket*>(socket)->native_handle(), data, static_cast<std::size_t>(size),
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
      return static_cast<int>(sent);
    });
    BIO_meth_set_read(made, [](BIO* bio, char* data, int size) {
      BIO_clear_retry_flags(bio);
      const ssize_t got = ::recv(static_cast<Socket*>(BIO_get_data(bio))->native_handle(), data,
                                 static_cast<std::size_t>(size), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
      if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
      return static_cast<int>(got);
    });
    BIO_meth_set_ctrl(made, [](BIO* bio, int command, long, void*) -> long {
      if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
      return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
    });
    return made;
  }();
  return method;
}

}  // namespace

TlsWire::TlsWire(Socket socket, const TlsContext& context) : Wire(std::move(socket)), ssl_(context.make()) {
  BIO* bio = BIO_new(socket_bio_method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, &socket_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

std::string TlsWire::peer_certificate_subject() const {
  const CertificatePtr certificate(SSL_get1_peer_certificate(ssl_.get()));
  if (!certificate) return {};
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

template <class Again>
void TlsWire::wait(int ssl_error, Again again) {
  socket_.async_wait(ssl_error == SSL_ERROR_WANT_WRITE ? Socket::wait_write : Socket::wait_read, std::move(again));
}

void TlsWire::async_handshake(WireUserPtr user) {
  asio::post(socket_.get_executor(), [this, user = std::move(user)]() mutable { handshake(std::move(user)); });
}

void TlsWire::handshake(WireUserPtr user) {
  if (!socket_.is_open()) return user->on_handshake(asio::error::operation_aborted, "closed");
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return user->on_handshake({}, {});
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    return wait(error, [this, user](const std::error_code& failed) mutable {
      if (failed) user->on_handshake(failed, reason(failed));
      else handshake(std::move(user));
    });
  }
  broken_ = true;
  std::string detail;
  if (error == SSL_ERROR_SYSCALL && errno != 0) {
    detail = reason({errno, std::system_category()});
  } else if (const unsigned long code = ERR_peek_error(); code != 0) {
    detail = openssl_reason();
    const long verified = SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK) detail += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
  } else {
    detail = "the peer closed the connection";
  }
  user->on_handshake(NetError::tls_handshake, detail);
}

void TlsWire::async_read(std::span<char> room, WireUserPtr user) { read(room, std::move(user), true); }

void TlsWire::read(std::span<char> room, WireUserPtr user, bool inside_caller) {
  std::error_code error;
  std::size_t got = 0;
  if (broken_) {
    error = asio::error::eof;
  } else {
    ERR_clear_error();
    errno = 0;
    // One call gives one record at most: go on, for as long as there are whole ones.
    int result = 0;
    do {
      std::size_t some = 0;
      result = SSL_read_ex(ssl_.get(), room.data() + got, room.size() - got, &some);
      got += some;
    } while (result == 1 && got < room.size());
    if (got == 0) {
      const int code = SSL_get_error(ssl_.get(), result);
      if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
        return wait(code, [this, room, user](const std::error_code& failed) mutable {
          if (failed) user->on_read(failed, 0);
          else read(room, std::move(user), false);
        });
      }
      error = fault(code);
    }
  }
  if (!inside_caller) return user->on_read(error, got);
  asio::post(socket_.get_executor(), [user = std::move(user), error, got] { user->on_read(error, got); });
}

void TlsWire::wait_writable(WireUserPtr user) {
  wait(write_wants_, [user = std::move(user)](const std::error_code& error) { user->on_writable(error); });
}

Wire::Written TlsWire::write(std::span<const iovec> buffers) {
  Written done;
  if (broken_) return {0, NetError::tls_broken};
  for (const iovec& buffer : buffers) {
    std::size_t offset = 0;
    while (offset < buffer.iov_len) {
      ERR_clear_error();
      errno = 0;
      std::size_t some = 0;
      const int result = SSL_write_ex(ssl_.get(), static_cast<const char*>(buffer.iov_base) + offset,
                                      buffer.iov_len - offset, &some);
      if (result == 1) {
        offset += some;
        done.bytes += some;
        continue;
      }
      const int code = SSL_get_error(ssl_.get(), result);
      const bool later = code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE;
      if (later) write_wants_ = code;
      done.error = later ? std::error_code(asio::error::would_block) : fault(code);
      return done;
    }
  }
  return done;
}

void TlsWire::shutdown_send() {
  if (!broken_) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  Wire::shutdown_send();
}

std::error_code TlsWire::fault(int ssl_error) {
  const int system = errno;
  if (ssl_error == SSL_ERROR_ZERO_RETURN) return asio::error::eof;
  broken_ = true;
  if (ssl_error == SSL_ERROR_SYSCALL && system != 0) return {system, std::system_category()};
  const bool truncated = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  ERR_clear_error();
  // Peers that end without a farewell are common, and frames tell by themselves whether they are whole.
  if (truncated || ssl_error == SSL_ERROR_SYSCALL) return asio::error::eof;
  return NetError::tls_broken;
}

}  // namespace ferry::net
