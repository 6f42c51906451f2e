#pragma once
// Where a client's replies come in: which topics are subscribed to, who needs them, which may go.

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ferry::mqtt {

struct ReplyTopic {
  std::string route;
  std::uint64_t number = 0;              // names it in tickets
  bool open = false;                     // the server has confirmed it
  unsigned introductions = 0;            // requests that asked whether a service is one of ours
  std::size_t busy = 0;                  // requests that wait for replies

  std::string filter() const { return route + "/reply"; }

 private:
  friend class ReplyTopics;
  std::list<ReplyTopic*>::iterator place_{};   // among the idle, while not busy
};

/// Threads: the client's loop.
class ReplyTopics {
 public:
  /// The one of this route, and whether it has to be subscribed to.
  ReplyTopic& get(const std::string& route, bool& fresh);
  ReplyTopic* find(std::uint64_t number) noexcept;
  void use(ReplyTopic& topic);
  void release(ReplyTopic& topic);
  void erase(ReplyTopic& topic);
  void clear();
  /// Takes out the longest idle beyond `kept`; returns their filters. Routes may be without number.
  std::vector<std::string> evict(std::size_t kept);

 private:
  std::unordered_map<std::string, ReplyTopic> topics_;
  std::unordered_map<std::uint64_t, ReplyTopic*> by_number_;
  std::list<ReplyTopic*> idle_;          // the longest idle first
  std::uint64_t last_number_ = 0;
};

}  // namespace ferry::mqtt
