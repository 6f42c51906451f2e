#pragma once
// What a handler may need, held against what its service's transport promises.

#include <vector>

#include "application_config.hpp"
#include "ferry/config_check.hpp"

namespace ferry::detail {

/// One for each of `needs::all`.
std::vector<Grant> grants_of(const ServiceConfig& service);

}  // namespace ferry::detail
