#pragma once
// What only two ferry peers tell each other, and how they learn that they are two.
//
// 1. The first request of a connection carries the metadata `ferry-peer: 1`. NestJS hands it to a handler that asks for
//    metadata, and otherwise ignores it.
// 2. A ferry service answers with a reply to the id "ferry-peer", which nobody asked with. A NestJS client never said
//    that it is ferry, and so never sees one.
// 3. From then on a request may carry `ferry-timeout`, the milliseconds its caller still waits, and an event of the
//    pattern `ferry.cancel`, with an id as its payload, says that nobody waits any more.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/headers.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry::tcp {

inline constexpr std::string_view peer_header = "ferry-peer";
inline constexpr std::string_view timeout_header = "ferry-timeout";
inline constexpr std::string_view own_prefix = "ferry-";
inline constexpr std::string_view hello_id = "ferry-peer";
inline constexpr std::string_view cancel_pattern = "ferry.cancel";

/// The value of a header in a request's raw headers. Costs no allocation where the headers are JSON.
std::optional<std::string> find_header(const spi::Serializer& serializer, std::string_view raw, std::string_view name);
std::optional<std::chrono::milliseconds> find_timeout(const spi::Serializer& serializer, std::string_view raw);
void strip_own_headers(Headers& headers);
/// A plain id as it stands in an envelope, and as the payload of a cancel.
std::string raw_id(const spi::Serializer& serializer, std::string_view id);

}  // namespace ferry::tcp
