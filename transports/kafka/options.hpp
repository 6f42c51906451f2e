#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/spi/options.hpp"
#include "ferry/spi/transport.hpp"

namespace ferry::kafka {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

/// Properties of librdkafka's, in the order they are set.
using Properties = std::vector<std::pair<std::string, std::string>>;

/// What clients and services have in common.
struct LinkSettings {
  std::string brokers;                  // "host:port,host:port"
  std::chrono::milliseconds attempt{};  // longest wait for the brokers to answer
  std::chrono::milliseconds request{};  // and for one request to one of them
  bool create_topics = true;            // allowAutoTopicCreation
  int partitions = -1;                  // of topics that are created; -1: as the broker likes
  int replicas = -1;
  Properties producer;
};

struct ClientSettings {
  LinkSettings link;
  bool producer_only = false;
  std::vector<std::string> routes;      // subscribeToResponseOf
  Properties reader;                    // of replies
};

/// What an answer counts beyond its value's bytes.
inline constexpr std::size_t answer_frame = 128;

enum class Order : std::uint8_t { partition, key, none };

struct ServerSettings {
  LinkSettings link;
  Properties consumer;
  std::string group;
  bool from_beginning = false;
  bool create_outputs = true;           // topics that handlers emit to, and dead letters go to
  bool observe = false;                 // requests are taken for events
  bool auto_commit = true;
  std::chrono::milliseconds commit_interval{};
  std::int64_t commit_threshold = 0;    // 0: none
  bool transactional = false;           // what goes out and offsets are committed together
  std::size_t max_message = 0;          // bytes of one that goes out
  std::size_t high_water = 0;           // bytes of answers not confirmed, above which streams of them wait
  Order order = Order::partition;
  std::size_t concurrent_partitions = 0;   // 0: no limit
  std::size_t max_pending = 0;          // records of one partition handed on and not settled
  std::chrono::milliseconds rebalance_wait{};   // for handlers, before their partitions are given away
  bool at_least_once = false;
  std::int64_t max_deliver = 0;         // 0: no limit
  std::chrono::milliseconds retry_delay{};
  std::string dead_letter;              // suffix
};

/// Throw `ConfigError` where an option cannot be used.
ClientSettings client_settings(const spi::ClientEnvironment& environment);
ServerSettings server_settings(const spi::ServerEnvironment& environment);

spi::ReconnectPolicy reconnect_policy_of(const spi::Options& options, spi::ReconnectPolicy configured);

std::span<const std::string_view> url_schemes() noexcept;
/// "kafka://host:port,host:port"; other options may follow in the query, `object.member` for a member. Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);
/// A group of its own, which begins at the beginning, and answers nobody: others did, or do.
nlohmann::json replay_options();
/// "kafka://host:port,host:port"
std::string url_of(const spi::Options& options);

}  // namespace ferry::kafka
