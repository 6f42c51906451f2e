#pragma once
// The listening sockets of a service.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/basic_socket_acceptor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/loop.hpp"
#include "transports/tcp/options.hpp"
#include "transports/common/net/wire.hpp"

namespace ferry::tcp {

/// Listens on every address of the host, or on one path, and hands out sockets on the loops in turn.
///
/// Lifetime: shared with its own operations; quiet after `close`.
/// Threads:  the main loop, also for its callbacks.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  struct Events {
    std::function<void(const spi::Loop& loop, Socket socket)> accepted;
    std::function<void(const Failure& failure)> trouble;   ///< something to report that ends nothing
    std::function<void(const Failure& failure)> lost;      ///< an address is not listened on any more, for good
  };

  Listener(const spi::Loop& main, std::vector<const spi::Loop*> loops, const ServerSettings& settings, Events events);

  /// All addresses or none. `done` comes later, once.
  void open(std::function<void(const Failure*)> done);
  void close();

  /// Where it can be reached: an IPv4 address if there is one. Empty before it listens.
  const std::string& url() const noexcept { return url_; }

 private:
  using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
  struct Door {
    Endpoint endpoint;
    Acceptor acceptor;
    asio::steady_timer timer;
    std::uint64_t attempts = 0;   // to listen again
  };

  void finish_open(const Failure* failure);
  void open_addresses(const asio::ip::tcp::resolver::results_type& found);
  void open_path();
  Failure bind_all(const std::vector<Endpoint>& endpoints);
  std::error_code bind(Door& door) const;
  Failure cannot_listen(const Endpoint& endpoint, const std::error_code& error) const;
  void accept(const std::shared_ptr<Door>& door);
  void on_accept_failed(const std::shared_ptr<Door>& door, const std::error_code& error);
  void listen_again(const std::shared_ptr<Door>& door, const std::error_code& error);

  const spi::Loop& main_;
  const std::vector<const spi::Loop*> loops_;
  const ServerSettings& settings_;
  Events events_;
  asio::ip::tcp::resolver resolver_;
  std::function<void(const Failure*)> opened_;
  std::vector<std::shared_ptr<Door>> doors_;
  std::string url_;
  std::string bound_path_;        // to be removed at the end
  std::size_t next_loop_ = 0;
  std::chrono::steady_clock::time_point last_shortage_ = {};
  bool closed_ = false;
};

}  // namespace ferry::tcp
