#include "transports/common/net/wire.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>

namespace ferry::net {

void Wire::async_handshake(WireUserPtr user) {
  asio::post(socket_.get_executor(), [user = std::move(user)] { user->on_handshake({}, {}); });
}

void Wire::async_read(std::span<char> room, WireUserPtr user) {
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [user = std::move(user)](const std::error_code& error, std::size_t bytes) {
                            user->on_read(error, bytes);
                          });
}

void Wire::wait_writable(WireUserPtr user) {
  socket_.async_wait(Socket::wait_write, [user = std::move(user)](const std::error_code& error) {
    user->on_writable(error);
  });
}

Wire::Written Wire::write(std::span<const iovec> buffers) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers.data());
  message.msg_iovlen = buffers.size();
  ssize_t sent;
  do {
    sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return {static_cast<std::size_t>(sent), {}};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {0, asio::error::would_block};
  return {0, std::error_code(errno, std::system_category())};
}

void Wire::shutdown_send() {
  std::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Wire::close() {
  std::error_code ignored;
  socket_.close(ignored);
}

void keep_from_children(int descriptor) { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

void prepare_socket(Socket& socket, bool no_delay, bool keep_alive) {
  std::error_code ignored;
  keep_from_children(socket.native_handle());
  socket.non_blocking(true, ignored);
  const Endpoint local = socket.local_endpoint(ignored);
  if (local.protocol().family() == AF_UNIX) return;
  socket.set_option(asio::ip::tcp::no_delay(no_delay), ignored);
  socket.set_option(asio::socket_base::keep_alive(keep_alive), ignored);
}

std::string Address::url(bool secure) const {
  if (address.empty()) return (secure ? "tcps+unix://" : "tcp+unix://") + path;
  const std::string host = v6 ? '[' + address + ']' : address;
  return (secure ? "tcps://" : "tcp://") + host + ':' + std::to_string(port);
}

Address address_of(const Endpoint& endpoint) {
  Address result;
  const int family = endpoint.protocol().family();
  if (family == AF_UNIX) {
    const auto* name = reinterpret_cast<const sockaddr_un*>(endpoint.data());
    const std::size_t length = endpoint.size() - std::min(endpoint.size(), offsetof(sockaddr_un, sun_path));
    result.path.assign(name->sun_path, ::strnlen(name->sun_path, length));
    return result;
  }
  if ((family != AF_INET && family != AF_INET6) || endpoint.size() == 0) return result;
  asio::ip::tcp::endpoint ip;
  ip.resize(endpoint.size());
  std::memcpy(ip.data(), endpoint.data(), endpoint.size());
  asio::ip::address address = ip.address();
  // A dual-stack socket shows IPv4 peers in an IPv6 disguise.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  result.v6 = address.is_v6();
  result.address = address.to_string();
  result.port = ip.port();
  return result;
}

}  // namespace ferry::net
