#pragma once
// librdkafka's codes as error codes.

#include <cstdint>
#include <string_view>
#include <system_error>

#include <librdkafka/rdkafka.h>

#include "ferry/error.hpp"

namespace ferry::kafka {

/// librdkafka's own codes, the broker's among them, with librdkafka's words.
const std::error_category& driver_category() noexcept;
std::error_code make_code(rd_kafka_resp_err_t error) noexcept;

/// There is no connection to a broker, or none any more.
bool is_loss_of_connection(rd_kafka_resp_err_t error) noexcept;
/// The same, or it came to nothing for what was said on it.
bool is_of_connection(rd_kafka_resp_err_t error) noexcept;

/// What it takes to store a record that was not stored. The worse, the later.
enum class Trouble : std::uint8_t {
  none,       ///< it was
  passing,    ///< time: the brokers are away, or there was no room
  lasting,    ///< somebody: it is not allowed, or has no place
  hopeless,   ///< another record: this one is too large, or makes no sense
};
Trouble trouble_of(std::error_code error) noexcept;

/// `what` and the driver's words: "cannot subscribe: Local: Invalid argument". `detail`: more words, if it had some.
Failure driver_failure(rd_kafka_resp_err_t error, std::string_view what, Fate fate = Fate::unknown, std::string_view detail = {});

}  // namespace ferry::kafka
