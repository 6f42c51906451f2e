#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace ferry::tool {

/// JSON text without the white space between its tokens; the tokens themselves stay as they are (`1.0`, `"\u00e4"`).
std::string compact_json(std::string_view json);

/// One line of JSON; text that is not UTF-8 does not stop it.
std::string dump(const nlohmann::ordered_json& value);

/// `0.034 ms`, `12.3 ms`, `1.52 s`: three digits that count.
std::string milliseconds_text(double milliseconds);

/// One line on standard output, there when this returns. Throws `std::system_error` if it cannot be written.
void print_line(std::string line);

}  // namespace ferry::tool
