#pragma once
// The byte stream under a connection: TCP or a Unix-domain socket here, TLS over either in tls.hpp.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include <asio/basic_stream_socket.hpp>
#include <asio/generic/stream_protocol.hpp>

struct iovec;

namespace ferry::net {

using Socket = asio::generic::stream_protocol::socket;
using Endpoint = asio::generic::stream_protocol::endpoint;

/// Whoever uses a wire. Called on the socket's executor, never from inside a call to the wire.
class WireUser {
 public:
  /// `detail`: what a failed handshake stumbled over, for people.
  virtual void on_handshake(const std::error_code& error, std::string_view detail) = 0;
  virtual void on_read(const std::error_code& error, std::size_t bytes) = 0;
  virtual void on_writable(const std::error_code& error) = 0;

 protected:
  ~WireUser() = default;
};
using WireUserPtr = std::shared_ptr<WireUser>;

class Wire {
 public:
  struct Written {
    std::size_t bytes = 0;
    std::error_code error = {};   ///< would_block: the rest when `wait_writable` says so
  };

  explicit Wire(Socket socket) : socket_(std::move(socket)) {}
  virtual ~Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Socket& socket() noexcept { return socket_; }
  virtual bool secure() const noexcept { return false; }
  virtual std::string peer_certificate_subject() const { return {}; }

  // Each of these keeps `user` alive until it has called it, once. One at a time of each kind.
  virtual void async_handshake(WireUserPtr user);
  virtual void async_read(std::span<char> room, WireUserPtr user);
  virtual void wait_writable(WireUserPtr user);

  /// Never blocks.
  virtual Written write(std::span<const iovec> buffers);
  /// FIN, after what was written.
  virtual void shutdown_send();
  /// Everything that waits ends with an error.
  void close();

 protected:
  Socket socket_;
};

/// A program that the process starts does not get the descriptor: it would hold the port, or the connection, open. (Asio
/// does not do this; a program started at the very moment between may still get it.)
void keep_from_children(int descriptor);

/// Non-blocking, not for children, and with what the options ask for. A socket that is gone by now says so at the first read.
void prepare_socket(Socket& socket, bool no_delay, bool keep_alive);

/// An endpoint taken apart. `address` and `port` are empty and 0 for a Unix-domain socket, `path` for the others.
struct Address {
  std::string address;
  std::uint16_t port = 0;
  std::string path;
  bool v6 = false;
  /// "tcp://127.0.0.1:3000", "tcps://[::1]:3000", "tcp+unix:///run/math.sock"
  std::string url(bool secure) const;
};
Address address_of(const Endpoint& endpoint);

}  // namespace ferry::net
