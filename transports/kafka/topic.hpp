#pragma once
// Routes as topic names. Kafka knows letters, digits, dots, dashes and underscores; a pattern may be any text.

#include <string>
#include <string_view>

#include "ferry/error.hpp"

namespace ferry::kafka {

/// What Kafka takes for a topic's name.
bool is_topic(std::string_view name) noexcept;

/// A route that can be a topic's name is one, as NestJS has it. Others, which no NestJS peer could use, get a name of
/// their own: "ferry.route." and the route, every byte Kafka does not take as "-" and two hexadecimal digits. Fails if
/// it, or the names derived from it, would be too long.
Result<std::string> topic_of(std::string_view route);

std::string reply_topic_of(std::string_view topic);
inline constexpr std::string_view reply_suffix = ".reply";

}  // namespace ferry::kafka
