#pragma once
// librdkafka's codes as error codes.

#include <string_view>
#include <system_error>

#include <librdkafka/rdkafka.h>

#include "ferry/error.hpp"

namespace ferry::kafka {

/// librdkafka's own codes, the broker's among them, with librdkafka's words.
const std::error_category& driver_category() noexcept;
std::error_code make_code(rd_kafka_resp_err_t error) noexcept;

/// `what` and the driver's words: "cannot subscribe: Local: Invalid argument". `detail`: more words, if it had some.
Failure driver_failure(rd_kafka_resp_err_t error, std::string_view what, Fate fate = Fate::unknown, std::string_view detail = {});

}  // namespace ferry::kafka
