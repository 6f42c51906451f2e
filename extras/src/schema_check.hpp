#pragma once

#include <nlohmann/json.hpp>

namespace ferry::detail {

/// What the library would notice with the first message only, or never: regular expressions that are none, and a `$ref` that
/// leads back to itself without a step into the payload. Throws `std::invalid_argument`.
void check_schema(const nlohmann::json& schema);

/// True if a payload's texts are held against regular expressions.
bool uses_regular_expressions(const nlohmann::json& schema);

}  // namespace ferry::detail
