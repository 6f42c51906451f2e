#pragma once
// What the copy of a failed message says beside the message's own headers.

#include <array>
#include <string_view>

namespace ferry::rmq {

inline constexpr std::string_view deliveries_header = "ferry-deliveries";   // how often it was delivered before
inline constexpr std::string_view origin_header = "ferry-queue";            // of a dead letter: where it came from
inline constexpr std::string_view cause_header = "ferry-cause";             // of a dead letter: why
inline constexpr std::string_view time_header = "ferry-time";               // of a dead letter: milliseconds since 1970
inline constexpr std::array copy_headers = {deliveries_header, origin_header, cause_header, time_header};

}  // namespace ferry::rmq
