#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/steady_timer.hpp>

#include "transports/redis/command.hpp"
#include "transports/redis/service.hpp"
#include "transports/redis/stream_ledger.hpp"

namespace ferry::redis {

/// At-least-once: a stream a route, read by the members of a consumer group in turn, acknowledged when handled. What a
/// member left behind is taken over by another; what fails too often goes to a stream of dead letters.
/// Threads: see Service.
class StreamService final : public Service {
 public:
  StreamService(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings);

  void drain(std::function<void()> done) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  void shut() override;
  void settle(RedisDelivery& delivery, spi::Settlement outcome) override;

 private:
  using Clock = StreamLedger::Clock;
  struct Stream {
    std::string route;
    std::string key;
    std::string dead_key;
    std::vector<std::string> acks;   // to be told at the end of the loop turn
  };
  enum OwnKind : std::uint32_t { read = own_kinds };

  // stream_service.cpp: reading and settling
  void on_connections() override;
  void on_lost() override;
  void apply_hold() override;
  void on_reply(Connection& connection, const Expected& expected, const Value& reply) override;
  void on_published(Connection& connection, const Published& message) override;
  void make_streams(const std::vector<spi::Subscription>& subscriptions);
  void set_up(std::string_view command, std::function<void(const Value&)> then);
  void set_up_done();
  void read_more();
  void on_read(const Value& reply);
  void drained();
  std::optional<std::uint32_t> stream_of(std::string_view key) const;
  /// `entry`: [id, [field, value, ...]].
  void take(std::uint32_t stream, const Value& entry, std::int64_t attempts, const net::ChunkPtr& memory);
  void settled(const EntryPlace& place, spi::Settlement outcome, StreamLedger::Answer answer);
  void acknowledge(const EntryPlace& place);
  void send_acks();

  // stream_upkeep.cpp: what was left behind, what failed, and what is too old
  void start_upkeep();
  void upkeep();
  void keep_fresh();
  void sweep(std::uint32_t stream, bool own);
  void on_pending(std::uint32_t stream, const Value& reply);
  void claim(const EntryPlace& place, std::int64_t attempts, std::chrono::milliseconds idle);
  void bury(const EntryPlace& place, std::string_view cause);
  void bury_entry(const EntryPlace& place, std::string_view cause, const Value& entry);
  void arm_retries();
  void try_again();
  void trim(std::uint32_t stream);
  void forget_consumers(std::uint32_t stream);
  void learn_clock();

  Command command(std::string_view name, std::uint32_t stream) const {
    Command result;
    result.add(name).add(streams_[stream].key).add(settings().streams.group);
    return result;
  }
  Connection& reader() noexcept { return third(); }

  const std::string consumer_;
  std::vector<Stream> streams_;
  StreamLedger ledger_;
  std::size_t set_up_left_ = 0;
  std::uint64_t reader_id_ = 0;
  bool reading_ = false;               // a blocking read is under way
  bool acks_posted_ = false;
  std::uint64_t upkeeps_ = 0;
  std::chrono::milliseconds block_{};
  std::chrono::milliseconds clock_offset_{};   // the server's clock is ahead of ours by
  std::optional<asio::steady_timer> upkeep_timer_;
  std::optional<asio::steady_timer> retry_timer_;
  std::function<void()> drained_;
};

}  // namespace ferry::redis
