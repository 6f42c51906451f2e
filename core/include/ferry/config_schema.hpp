#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ferry/plugins.hpp"

namespace ferry {

/// A JSON Schema (2020-12) of the whole config file, with the options of every transport among `plugins`: for editors, and
/// for checks in places where no ferry is. It comes from the tables that `Application` validates with, and refuses what that
/// refuses for an unknown key, a wrong type, a missing value or a number out of range.
///
/// What it cannot see: what `${NAME}` expands to, limits of values in quotes, and what a transport finds out by looking (a
/// file that is not there). `check_config` does.
nlohmann::json config_schema(const Plugins& plugins);

}  // namespace ferry
