#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "link.hpp"

namespace ferry::memory {

/// The part of a server that clients reach: makes their links, and knows them.
/// Threads: any.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(const spi::ServerEnvironment& environment, spi::ServerSink& sink, std::size_t max_queue);

  const spi::Serializer& serializer() const noexcept { return *serializer_; }
  /// Null if it takes no clients any more. Each client gets the next of the server's loops.
  std::shared_ptr<Link> accept(Link::ClientSide client);
  void forget(const Link& link);

  void set_paused(bool paused);
  void drain(std::function<void()> done);
  void close(std::function<void()> done);

 private:
  std::shared_ptr<Countdown> count_links(std::function<void()> done);   // mutex held

  spi::Loop* const main_loop_;
  const std::vector<spi::Loop*> loops_;
  const spi::Serializer* const serializer_;
  spi::ServerSink& sink_;
  const std::size_t max_queue_;

  std::mutex mutex_;
  std::vector<std::shared_ptr<Link>> links_;
  std::size_t next_loop_ = 0;
  bool paused_ = false;
  bool closing_ = false;
};

/// Who listens where, in this process.
/// Threads: any.
class Hub {
 public:
  static Hub& instance();

  void add(const std::string& name, std::shared_ptr<Listener> listener);
  void remove(const std::string& name, const Listener& listener);
  std::vector<std::shared_ptr<Listener>> find(const std::string& name) const;
  /// Changes whenever a service comes or goes.
  std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::shared_ptr<Listener>>> listeners_;
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace ferry::memory
