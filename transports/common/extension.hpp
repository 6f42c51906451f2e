#pragma once
// What only two ferry peers tell each other, and how they learn that they are two.
//
// On a connection of their own:
// 1. The first request carries the metadata `ferry-peer: 1`. NestJS hands it to a handler that asks for
//    metadata, and otherwise ignores it.
// 2. A ferry service answers with a reply to the id "ferry-peer", which nobody asked with. A NestJS client never said
//    that it is ferry, and so never sees one.
// 3. From then on a request may carry `ferry-timeout`, the milliseconds its caller still waits, or "none". It counts for
//    the requests after it as well, until another one comes: most callers always wait equally long, and need not pay for
//    saying so. An event of the pattern `ferry.cancel`, with an id as its payload, says that nobody waits any more.
//
// Through a broker, where many services may answer: requests carry `ferry-peer` until some ferry service has answered so,
// and from then on each carries its own `ferry-timeout`. `ferry.cancel` is where every ferry service of the broker listens.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry::extension {

inline constexpr std::string_view peer_header = "ferry-peer";
inline constexpr std::string_view timeout_header = "ferry-timeout";
inline constexpr std::string_view own_prefix = "ferry-";
inline constexpr std::string_view hello_id = "ferry-peer";
inline constexpr std::string_view cancel_pattern = "ferry.cancel";

/// The value of a header in a request's raw headers. Costs no allocation where the headers are JSON.
std::optional<std::string> find_header(const spi::Serializer& serializer, std::string_view raw, std::string_view name);

/// How long callers wait, as the client last told its service.
class TimeoutNotice {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr Milliseconds none = Milliseconds::max();

  /// Until a message's deadline, which is the clock's first or last point where there is none.
  static Milliseconds left(TimePoint deadline, TimePoint now) noexcept;
  /// The client's side: true if a request with `left` to go must say so.
  bool must_tell(Milliseconds left) noexcept;
  /// The header that says it.
  static std::string text(Milliseconds left);
  /// The other way round; nothing if it is for ever.
  static std::optional<Milliseconds> parse(std::string_view text);
  /// The service's side: takes in what a request says, if anything.
  void read(const spi::Serializer& serializer, std::string_view raw_headers);
  Milliseconds value() const noexcept { return value_; }

 private:
  Milliseconds value_ = none;
};

void strip_own_headers(Headers& headers);
/// A plain id as it stands in an envelope, and as the payload of a cancel.
std::string raw_id(const spi::Serializer& serializer, std::string_view id);

}  // namespace ferry::extension
