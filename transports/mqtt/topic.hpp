#pragma once
// Topic names and topic filters.

#include <string>
#include <string_view>

namespace ferry::mqtt {

/// A name that something can be published to: text, not empty, no wildcards.
bool is_topic(std::string_view name) noexcept;
/// A filter that can be subscribed to: + and # where they may stand, `$share/<group>/` before a filter.
bool is_filter(std::string_view filter) noexcept;
bool has_wildcard(std::string_view filter) noexcept;

struct SharedFilter {
  std::string_view group = {};    ///< empty: not shared
  std::string_view filter = {};
};
/// Takes `$share/<group>/` off.
SharedFilter split_shared(std::string_view filter) noexcept;

/// MQTT's rule for names that begin with $ included: a wildcard in front does not match them.
bool matches(std::string_view filter, std::string_view topic) noexcept;

}  // namespace ferry::mqtt
