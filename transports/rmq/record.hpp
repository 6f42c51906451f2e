#pragma once
// A message's own publish options: what NestJS's RmqRecordBuilder sets, as headers named "rmq.…".

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "transports/rmq/properties.hpp"

namespace ferry::rmq {

inline constexpr std::string_view record_prefix = "rmq.";

/// What headers say beside the properties.
struct Record {
  bool mandatory = false;
};

/// Reads a caller's headers: those named "rmq.…" go to `properties` (as views of `headers`) and `record`, the others are
/// appended to `table`. False, with `failure` set, for one that does not exist, or a value that cannot be.
bool read_record(const Headers& headers, Properties& properties, Record& record, std::string& table, Failure& failure);

}  // namespace ferry::rmq
