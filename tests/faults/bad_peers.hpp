#pragma once
// Connections that do what no client of ours would do. Sockets and poll(2): nothing of ferry.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::test {

/// `<length>#{"pattern":…,"data":…,"id":"A"}`; `data` is JSON.
std::string request_frame(std::string_view pattern, std::string_view data);

/// Many connections to one service, non-blocking.
class BadPeers {
 public:
  explicit BadPeers(std::uint16_t port) : port_(port) {}
  ~BadPeers() { close_all(); }
  BadPeers(const BadPeers&) = delete;
  BadPeers& operator=(const BadPeers&) = delete;

  /// So many more. Whether the service keeps them is another matter.
  void connect(std::size_t count);
  std::size_t size() const noexcept { return sockets_.size(); }
  /// How many the service has not closed, as far as it can be seen now. Discards what came.
  std::size_t open();

  /// Sends `bytes` on each one, and reads nothing. Ends when all is sent or its connection closed.
  void send_all(std::string_view bytes);
  /// Sends the same bytes over and over, and reads nothing, until the service has closed every one.
  void send_until_closed(std::string_view bytes);
  /// Sends byte by byte, each a packet, and reads meanwhile, until `replies` bytes have come on each one. False: some
  /// connection was closed before.
  bool trickle(std::string_view bytes, std::size_t replies);
  /// Waits until the service has closed at least `count`; false if it does not in time.
  bool wait_closed(std::size_t count);
  void close_all();

 private:
  struct Socket {
    int descriptor = -1;
    std::size_t sent = 0;
    std::size_t received = 0;
    bool closed = false;
  };
  void send_some(Socket& socket, std::string_view bytes, std::size_t most);
  void receive_some(Socket& socket);
  /// Waits until one of them is ready; throws after a time that only a hang needs.
  void wait_ready(short events, const std::function<bool(const Socket&)>& of_interest);

  std::uint16_t port_;
  std::vector<Socket> sockets_;
};

}  // namespace ferry::test
