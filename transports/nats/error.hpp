#pragma once
// nats.c's status codes as error codes, and what else can go wrong with a NATS server.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <nats/nats.h>

#include "ferry/error.hpp"

namespace ferry::nats {

/// nats.c's own codes, with nats.c's words.
const std::error_category& driver_category() noexcept;
std::error_code make_code(natsStatus status) noexcept;

/// `what` and the driver's words: "cannot subscribe to \"a b\": Invalid Subject".
Failure driver_failure(natsStatus status, std::string_view what, Fate fate = Fate::unknown);

// Texts that more than one place needs.
Failure no_responders(std::string_view route);
Failure too_large(std::string_view route, std::size_t bytes, std::int64_t limit);
Failure bad_subject(std::string_view route);

}  // namespace ferry::nats
