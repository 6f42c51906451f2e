#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/contexts/redis_context.hpp"
#include "ferry/detail/pool.hpp"
#include "transports/common/live_deliveries.hpp"
#include "transports/common/net/buffers.hpp"

namespace ferry::redis {

class Service;

/// Which entry of a stream a message is; `stream` is the service's number of it.
struct EntryName {
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  std::uint32_t stream = none;
  std::string_view id = {};
};

/// A message and the service it came to. Its views point into the chunk that it holds.
///
/// Lifetime: counted; made and destroyed on the service's loop, wherever the last pointer goes.
class RedisDelivery final : public transports::LiveDelivery, public RedisContext, public detail::Pooled {
 public:
  /// `channel`: where it came from. `reply_channel`: where its replies go; empty: `<channel>.reply`.
  RedisDelivery(std::shared_ptr<Service> service, net::ChunkPtr memory, std::string_view channel,
                std::string_view reply_channel = {}, EntryName entry = {});
  ~RedisDelivery() override = default;

  // spi::Delivery
  Headers headers() const override;
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  TransportContext* context() noexcept override { return this; }

  // RedisContext
  std::string channel() const override { return std::string(channel_); }

  // For the service, on its loop.
  spi::RequestView& received() noexcept { return view_; }
  std::string& scratch() noexcept { return scratch_; }
  void set_deadline(std::chrono::steady_clock::time_point when) noexcept { deadline_ = when; }
  std::string_view reply_channel() const noexcept { return reply_channel_; }
  std::string_view channel_view() const noexcept { return channel_; }
  const EntryName& entry() const noexcept { return entry_; }
  /// A reply could not be sent: a stream's entry stays, and is answered again.
  void lose_reply() noexcept { reply_lost_.store(true, std::memory_order_release); }
  bool reply_lost() const noexcept { return reply_lost_.load(std::memory_order_acquire); }

 private:
  const std::shared_ptr<Service> service_;
  net::ChunkPtr memory_;
  std::string_view channel_;
  std::string_view reply_channel_;
  EntryName entry_;
  std::string scratch_;                    // of a body that is no message as it came
  std::atomic<bool> reply_lost_{false};
};

}  // namespace ferry::redis
