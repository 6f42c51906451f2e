#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/redis/connector.hpp"
#include "transports/redis/options.hpp"

namespace ferry::redis {

/// The streams `<prefix><route>.dead`, over a connection of its own. A letter's id is `<route>@<entry>`.
/// Threads: its loop.
class DeadLetters final : public spi::DeadLetterStore, private ConnectionUser {
 public:
  explicit DeadLetters(spi::ServerEnvironment environment);
  ~DeadLetters() override;

  void open(Done done, std::function<void(const Failure&)> lost) override;
  void list(std::size_t limit, Found found) override;
  void find(std::string id, Found found) override;
  void replay(std::string id, Replayed replayed) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;

 private:
  /// A place a letter can be asked for by.
  struct Place {
    std::string route;
    std::string key;     // of the dead letters
    std::string entry;
  };
  /// What `list` has so far.
  struct Listing {
    std::size_t limit = 0;
    Found found;
    std::set<std::string> keys;
    std::vector<DeadLetter> letters;
  };

  void on_reply(Connection&, const Expected&, const Value&) override {}
  void on_gone(Connection& connection, const Failure& why) override;

  void scan(std::string cursor);
  void read_next();
  std::optional<Place> place_of(std::string_view id) const;
  std::string route_of(std::string_view key) const;
  std::optional<DeadLetter> letter_of(const std::string& route, const Value& entry) const;
  void put_back(const Place& place, const Value& entry, Replayed replayed);
  void remove(const Place& place, const std::string& origin, Replayed replayed);

  const spi::ServerEnvironment environment_;
  const ServerSettings settings_;
  const std::shared_ptr<const Access> access_;
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Connection> connection_;
  std::function<void(const Failure&)> lost_;
  Listing listing_;
};

}  // namespace ferry::redis
