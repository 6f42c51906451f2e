#pragma once
// Which handler a message belongs to when patterns are routing keys of a topic exchange.

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ferry/spi/serializer.hpp"

namespace ferry::rmq {

/// NestJS's rules, which are not quite the broker's: `*` is one word, `#` any number of words, but the last of the
/// pattern only. (The broker takes `#` anywhere.) Without a text only `#` matches.
bool topic_matches(std::string_view pattern, std::string_view text) noexcept;

/// The patterns of a service, in the order they were registered.
class Topics {
 public:
  void add(const std::string& route);
  /// The route of the pattern with a wildcard that this message belongs to. Null if it belongs to an exact one, or to none.
  const std::string* find(const spi::RequestView& view) const;

 private:
  std::unordered_set<std::string> exact_;
  std::vector<std::string> patterns_;
};

}  // namespace ferry::rmq
