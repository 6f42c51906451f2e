#include "bad_peers.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ferry::test {
namespace {

constexpr int patience_ms = 20000;

}  // namespace

std::string request_frame(std::string_view pattern, std::string_view data) {
  std::string body = R"({"pattern":")";
  body.append(pattern).append(R"(","data":)").append(data).append(R"(,"id":"A"})");
  return std::to_string(body.size()) + "#" + body;
}

void BadPeers::connect(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Socket socket;
    socket.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket.descriptor < 0) throw std::system_error(errno, std::generic_category(), "socket");
    sockets_.push_back(socket);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect");
    }
    const int on = 1;
    ::setsockopt(socket.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
}

void BadPeers::send_some(Socket& socket, std::string_view bytes, std::size_t most) {
  while (!socket.closed && socket.sent < bytes.size()) {
    const std::string_view rest = bytes.substr(socket.sent, most);
    const ssize_t sent = ::send(socket.descriptor, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      socket.closed = errno != EAGAIN && errno != EINTR;
      return;
    }
    socket.sent += static_cast<std::size_t>(sent);
    if (most != std::string_view::npos) return;
  }
}

void BadPeers::receive_some(Socket& socket) {
  std::array<char, 65536> buffer;
  while (!socket.closed) {
    const ssize_t got = ::recv(socket.descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) socket.received += static_cast<std::size_t>(got);
    else socket.closed = true;
  }
}

void BadPeers::wait_ready(short events, const std::function<bool(const Socket&)>& of_interest) {
  std::vector<pollfd> all;
  for (const Socket& socket : sockets_) {
    if (!socket.closed && of_interest(socket)) all.push_back({socket.descriptor, events, 0});
  }
  if (!all.empty() && ::poll(all.data(), all.size(), patience_ms) <= 0) throw std::runtime_error("waited in vain");
}

std::size_t BadPeers::open() {
  for (Socket& socket : sockets_) receive_some(socket);
  return static_cast<std::size_t>(std::count_if(sockets_.begin(), sockets_.end(), [](const auto& s) { return !s.closed; }));
}

void BadPeers::send_all(std::string_view bytes) {
  const auto unfinished = [&](const Socket& socket) { return !socket.closed && socket.sent < bytes.size(); };
  for (Socket& socket : sockets_) socket.sent = 0;
  do {
    for (Socket& socket : sockets_) send_some(socket, bytes, std::string_view::npos);
    wait_ready(POLLOUT, unfinished);
  } while (std::any_of(sockets_.begin(), sockets_.end(), unfinished));
}

void BadPeers::send_until_closed(std::string_view bytes) {
  for (Socket& socket : sockets_) socket.sent = 0;
  for (;;) {
    bool any = false;
    for (Socket& socket : sockets_) {
      if (socket.sent == bytes.size()) socket.sent = 0;
      send_some(socket, bytes, std::string_view::npos);
      any = any || !socket.closed;
    }
    if (!any) return;
    wait_ready(POLLOUT, [](const Socket&) { return true; });
  }
}

bool BadPeers::trickle(std::string_view bytes, std::size_t replies) {
  for (Socket& socket : sockets_) socket.sent = socket.received = 0;
  const auto unfinished = [&](const Socket& socket) { return socket.sent < bytes.size() || socket.received < replies; };
  const auto unsent = [&](const Socket& socket) { return socket.sent < bytes.size(); };
  while (std::any_of(sockets_.begin(), sockets_.end(), unfinished)) {
    for (Socket& socket : sockets_) {
      send_some(socket, bytes, 1);
      receive_some(socket);
      if (socket.closed && unfinished(socket)) return false;
    }
    const bool sending = std::any_of(sockets_.begin(), sockets_.end(), unsent);
    wait_ready(sending ? POLLOUT : POLLIN, sending ? std::function<bool(const Socket&)>(unsent) : unfinished);
  }
  return true;
}

bool BadPeers::wait_closed(std::size_t count) {
  try {
    while (size() - open() < count) wait_ready(POLLIN, [](const Socket&) { return true; });
  } catch (const std::runtime_error&) {
    return false;
  }
  return true;
}

void BadPeers::close_all() {
  for (const Socket& socket : sockets_) ::close(socket.descriptor);
  sockets_.clear();
}

}  // namespace ferry::test
