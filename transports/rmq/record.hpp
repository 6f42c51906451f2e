#pragma once
// A message's own publish options: what NestJS's RmqRecordBuilder sets.

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "transports/rmq/properties.hpp"

namespace ferry::rmq {

/// Reads `SendOptions::record`: properties as views of it; `headers` of it are added to `headers`. False, with `failure`
/// set, for an option that does not exist, or a value that cannot be.
bool read_record(const nlohmann::json& record, Properties& properties, bool& mandatory, Headers& headers, Failure& failure);

}  // namespace ferry::rmq
