#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ferry/detail/pool.hpp"
#include "ferry/contexts/tcp_context.hpp"
#include "ferry/spi/delivery.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/tcp/error.hpp"

namespace ferry::tcp {

class Peer;

/// A message and the connection it came on. Its views point into the chunk that it holds.
///
/// Lifetime: counted; made and destroyed on the connection's loop, wherever the last pointer goes.
class TcpDelivery final : public spi::Delivery, public TcpContext, public detail::Pooled {
 public:
  TcpDelivery(std::shared_ptr<Peer> peer, ChunkPtr chunk);
  ~TcpDelivery() override = default;

  // spi::Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  TransportContext* context() noexcept override { return this; }

  // TcpContext
  std::string pattern() const override { return std::string(view().pattern); }
  std::string remote_address() const override;
  std::uint16_t remote_port() const override;
  std::string local_address() const override;
  bool secure() const override;
  asio::generic::stream_protocol::socket* socket() noexcept override;
  std::string peer_certificate_subject() const override;

  // For the connection, on its loop.
  spi::RequestView& received() noexcept { return view_; }
  void set_deadline(std::chrono::steady_clock::time_point when) noexcept { deadline_ = when; }
  /// Tells the handler that nobody waits for it, unless it is done.
  void give_up() {
    if (!finished_.load(std::memory_order_acquire)) abandon();
  }

 private:
  friend class Peer;
  void dispose() noexcept override;

  std::shared_ptr<Peer> peer_;
  ChunkPtr chunk_;
  std::atomic<bool> finished_{false};   // the last reply was made, or the last pointer is gone

  TcpDelivery* next_ = nullptr;       // in the connection's list of requests that somebody works on
  TcpDelivery* previous_ = nullptr;
  bool listed_ = false;
  TcpDelivery* grave_ = nullptr;      // the next one whose last pointer went on another thread
};

}  // namespace ferry::tcp
