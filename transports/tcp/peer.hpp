#pragma once
// The service's end of one connection.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/tcp/connection.hpp"
#include "transports/tcp/delivery.hpp"
#include "transports/common/extension.hpp"

namespace ferry::tcp {

/// What all connections of a service share. The sink is called no more once `silent`.
struct Service {
  spi::ServerSink* sink = nullptr;
  const spi::Serializer* serializer = nullptr;
  ServerSettings settings;
  bool extensions = true;
  std::atomic<bool> silent{false};
  std::atomic<bool> paused{false};
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> held{0};                // by all of them: `Connection::held`
  std::function<void()> on_excess;                 // more than maxTotalBufferSize is held; from any loop
  std::atomic<std::uint64_t> dropped_replies{0};   // their caller was gone

  void report(const Failure& failure) const {
    if (!silent.load(std::memory_order_acquire)) sink->on_error(failure);
  }
};

/// Threads: `reply`, `writable`, `when_writable` and `bury` any; the rest on its loop.
class Peer final : public Connection {
 public:
  Peer(const spi::Loop& loop, std::shared_ptr<Service> service, std::unique_ptr<Wire> wire,
       std::function<void(Peer&)> forget);
  ~Peer() override;

  void reply(const spi::RequestView& request, spi::ReplyKind kind, std::string& payload);
  bool writable() const;
  void when_writable(std::function<void()> ready);
  /// Ends a delivery that nobody points to any more.
  void bury(TcpDelivery* delivery) noexcept;

 private:
  void on_frame(std::string_view body, const ChunkPtr& chunk) override;
  void on_relieved() override { wake_writers(); }
  bool owes_answers() const override { return live_ != nullptr; }
  bool on_held(std::size_t before, std::size_t now) override;
  void collect() override;
  void on_peer_ended() override;
  void on_fault(const Failure& why) override;
  void on_gone(const Failure& why) override;

  bool takes_replies() const noexcept { return state() == State::open || state() == State::ending; }
  void reply_here(std::string_view id, spi::ReplyKind kind, std::string& payload);
  void reply_from_afar(std::string_view id, spi::ReplyKind kind, std::string& payload);
  void post_collect();
  void wake_writers();
  void enlist(TcpDelivery& delivery);
  void remove(TcpDelivery* delivery) noexcept;

  /// True if the message is for us, not for a handler.
  bool is_own_message(TcpDelivery& delivery);
  void meet(const spi::RequestView& request);
  void cancel(std::string_view raw_id);

  const std::shared_ptr<Service> service_;
  std::function<void(Peer&)> forget_;
  std::string head_;                             // reused for every reply
  std::string tail_;
  TcpDelivery* live_ = nullptr;                  // requests that somebody works on
  std::vector<std::function<void()>> writers_;   // they wait until the peer has read more

  bool met_ = false;      // it has sent a request, which would have said that it is ferry
  bool ferry_ = false;    // and it did
  extension::TimeoutNotice timeout_;
  TcpDelivery* current_ = nullptr;   // being dispatched; null again if it ended meanwhile
  std::unordered_map<std::string_view, TcpDelivery*> by_id_;   // of a ferry peer: what outlived its dispatch

  mutable std::mutex mutex_;   // guards what other threads leave here:
  OutQueue afar_;
  TcpDelivery* graves_ = nullptr;
  bool collect_posted_ = false;
};

}  // namespace ferry::tcp
